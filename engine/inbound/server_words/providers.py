"""Codes that large providers publish for senders: Orange, La Poste, GoDaddy, Charter, Cox, Meta, Microsoft, Apple."""

from __future__ import annotations

from ..verdict import Reason

PROVIDER_CODES: tuple[tuple[Reason, str], ...] = (
    (Reason.BLOCKED, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(101|102|103|510|999)\b
        \bib(104|105|106|11[0-3])\b
        \baup#\w{0,6}(1000|12[0-5]\d)\b
        \baup#(cxbl|cdrbl|ipbl\d+)
        \b(pol-p[1-4]|pol-t[1-3])\b
        \b5\.7\.(506|507|510|511|513|60[6-9]|6[1-4]\d)\b
        \b4\.7\.(50[1-9]|5[1-9]\d|6[0-4]\d|6[6-9]\d|8[5-9]\d)\b
    """),
    (Reason.TOO_MANY_CONNECTIONS, r"""
        \b4\.7\.652\b
        \b(ofr|lpn|ouk)\w{0,3}[_-]?104\b
        \bib(605|007)\b
        \baup#\w{0,6}13[0-4]\d\b
        \baup#(cxcnct|cxmxrt)
        \b(con-t[1-4]|msg-t1)\b
    """),
    (Reason.SECURITY, r"""
        \b5\.7\.57\b
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(305|402)\b
        \bib401\b
        \baup#(cxthrt|cxmj)
    """),
    (Reason.AUTH_FAILURE, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(401|517)\b
        \bib508\b
        \baup#cxsndr
        \bpol-p7\b
        \b5\.7\.(509|515)\b
    """),
    (Reason.REJECTED, r"""
        \b5\.7\.(12|124|13[3-6]|50[123]|750)\b
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(403|405|415|421)\b
        \bib506\b
        \baup#\w{0,6}(10[1-8]0|15[02]0)\b
        \baup#cxsmtp
        \b(dns-p[12]|dns-t1)\b
    """),
    (Reason.USER_UNKNOWN, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(416|418)\b
        \b(rcp-p1|int-p1|int-p3|int-p4)\b
    """),
    (Reason.MAILBOX_FULL, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?417\b
    """),
    (Reason.SUSPENDED, r"""
        \b5\.7\.50[45]\b
        \b(ofr|lpn|ouk)\w{0,3}[_-]?(420|426)\b
        \brcp-t4\b
    """),
    (Reason.SYSTEM, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?505\b
        \baup#\w{0,6}1090\b
        \brcp-t1\b
    """),
    (Reason.SPAM, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?506\b
        \bib212\b
        \baup#urlbl
        \bpol-p6\b
    """),
    (Reason.TOO_BIG, r"""
        \b(ofr|lpn|ouk)\w{0,3}[_-]?514\b
        \baup#\w{0,6}1530\b
        \b(msg-p1|int-p2)\b
    """),
    (Reason.POLICY, r"""
        \b5\.7\.9\d\d\b
        \b5\.0\.350\b
        \b(ofr|lpn|ouk)\w{0,3}[_-]?630\b
        \baup#\w{0,6}(11[6-9]\d|1560)\b
        \[cs01\]
    """),
    (Reason.REQUIRE_PTR, r"""
        \bib108\b
        \baup#\w{0,6}11[0-5]\d\b
        \baup#cxdns
        \b(dns-p3|dns-t2)\b
    """),
    (Reason.NOT_COMPLIANT, r"""
        \bib50[12]\b
        \bmsg-p3\b
        \b5\.7\.512\b
    """),
    (Reason.VIRUS, r"""
        \bib705\b
        \bpol-p5\b
    """),
    (Reason.SPEEDING, r"""
        \b5\.7\.(508|7[0-4]\d)\b
        \b5\.1\.90\b|\b5\.2\.12[12]\b
        \bib(101|504|510|607)\b
        \baup#\w{0,6}(13[5-9]\d|14\d\d|15[458]0)\b
    """),
    (Reason.BAD_REPUTATION, r"""
        \bib103\b
        \b4\.7\.650\b
    """),
    (Reason.FILTERED, r"""
        \brcp-p[23]\b
    """),
    (Reason.CONTENT, r"""
        \bmsg-p2\b
    """),
    (Reason.NETWORK, r"""
        \baup#\w{0,6}1260\b
        \b[45]\.4\.31[24]\b
        \b4\.4\.316\b
    """),
    (Reason.EXPIRED, r"""
        \b5\.4\.(300|316)\b
    """),
    (Reason.NO_RELAYING, r"""
        \b5\.7\.64\b
    """),
    (Reason.STARTTLS, r"""
        \b[45]\.7\.32[1-5]\b
        \b[45]\.4\.317\b
        \b5\.7\.51\b
    """),
)  # fmt: skip
"""In order. A code is a name of its own: which host gives it is never asked."""
