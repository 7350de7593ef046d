"""Other ways to do the same work, to be measured against: what a good programmer writes by hand, and no more."""
