package wire

import "os"

// peakMemory is not known here.
func peakMemory(*os.ProcessState) int64 { return 0 }

// ownPeak is not known here.
func ownPeak() int64 { return 0 }
