# SPDX-License-Identifier: GPL-2.0
# Counts the output of run_kselftest.sh: test points inside scripts ("# ok 1 ..") where there are any, else the
# script itself. A script that dies, or that ran other points than it planned, is a failure of its own; so is a
# script that never ended. Prints a line for each failure and skip, then: counts PASSED FAILED SKIPPED.
function bad(what) { failed++; print "failed: " what }
function begin(name) { script = name; points = 0; wrong = 0; plan = -1 }
BEGIN { planned = ended = passed = failed = skipped = 0; script = "" }
{ sub(/\r$/, "") }
/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0; next }
/^# selftests: / { begin($NF); next }
/^# 1\.\.[0-9]+/ { plan = substr($2, 4) + 0; next }
/^# (not )?ok [0-9]+/ {
	text = $0
	sub(/^# (not )?ok [0-9]+ *(- )?/, "", text)
	points++
	if ($2 == "not" && text !~ /# *(XFAIL|TODO)/) { wrong++; bad(script ": " text) }
	else if (text ~ /# *SKIP/) { skipped++; print "skipped: " script ": " text }
	else passed++
	next
}
/^(not )?ok [0-9]+ selftests: / {
	ended++
	if (/# *SKIP/) { if (!points) { skipped++; print "skipped: " script } }
	else if ($1 == "not") { if (!wrong) { text = $0; sub(/^.*# /, "", text); bad(script ": died (" text ")") } }
	else if (plan >= 0 && points != plan) bad(script ": planned " plan " points, ran " points)
	else if (!points) passed++
	script = ""
	next
}
END {
	if (script != "") { bad(script ": did not end"); ended++ }
	if (!planned) bad("no test plan: nothing ran")
	for (; ended < planned; ended++) bad("a planned test did not run")
	print "counts", passed, failed, skipped
}
