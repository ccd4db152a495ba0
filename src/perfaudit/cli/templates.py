"""The first draft of a rule file and of a library file."""

RULE = """\
id: {id}
name: {name}
summary: Say the problem in one sentence.
message: "{{call}} does what it should not."
severity: medium
confidence: high
effort: S
since: "{version}"

detect: {{detector: {detector}}}

why: |
  What it costs, and when it shows.

fix: |
  The smallest change that cures it.

impact:
  latency: How to estimate what a request waits for it.

examples:
  - name: the plainest form of it
    bad: |
      problem()  # finding
    good: |
      cure()

cases:
  - name: innocent code that looks the same
    code: |
      cure()
  - name: more innocent code
    code: |
      cure()
"""

LIBRARY = """\
library: {name}
docs: https://
packages: [{name}]

functions:
  {name}.function: {{effects: [http.request], blocking: true}}

examples:
  - code: |
      import {name}

      {name}.function()  # effects: http.request
"""
