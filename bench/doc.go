// Package bench measures the whole program: how long a build takes beside a
// reference measured in the same run, and how much memory it needs. Its
// benchmarks print ratios and peak sizes, not verdicts:
//
//	go test -run '^$' -bench . -benchtime 1x ./bench
//
// Peak RSS is that of the largest process of a run, the script's child
// included, and never less than that of the benchmark itself (some 20 MB).
package bench
