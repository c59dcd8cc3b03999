package pods_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain has more tests run at once than there are processors: they wait for
// a cluster.
func TestMain(m *testing.M) {
	flag.Parse()
	if given := flag.Lookup("test.parallel"); given.Value.String() == given.DefValue {
		_ = flag.Set("test.parallel", "6")
	}
	os.Exit(m.Run())
}
