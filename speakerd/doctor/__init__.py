"""``speakerd doctor``: looks at everything a conversation needs, one thing after the other, and says what to do.

Put together in ``examine.py``; what a finding looks like is ``report.py``'s business.
"""
