"""Everything that is measured, one after another. Run: python -m tests.bench"""

from __future__ import annotations

import sys

from . import bench_delivery, bench_inbound, bench_mailing, bench_mime, bench_pdf, bench_serving

sys.argv = sys.argv[:1]  # each takes options of its own when it is run alone
for bench in (bench_mime, bench_inbound, bench_pdf, bench_delivery, bench_mailing, bench_serving):
    print(f"\n# {bench.__name__.rpartition('.')[2]}", flush=True)
    bench.main()
