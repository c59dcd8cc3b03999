package pods

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// TestARunnerOfOneBuildHearsOfNoOther: a worker pod per build would otherwise
// be told of every pod of every other.
func TestARunnerOfOneBuildHearsOfNoOther(t *testing.T) {
	mine := objects.JobLabels("job", "brigade-p", "brigade-worker-01h", "01h")
	other := objects.JobLabels("job", "brigade-p", "brigade-worker-02h", "02h")
	for name, want := range map[string]struct {
		builds      []string
		mine, other bool
	}{
		"any build":  {nil, true, true},
		"one build":  {[]string{"01h"}, true, false},
		"two builds": {[]string{"01h", "02h"}, true, true},
		"an odd ID":  {[]string{strings.Repeat("x", 90) + "/"}, false, false},
	} {
		r, err := New(Options{Cluster: &cluster.Client{Namespace: "ns"}, Builds: want.builds})
		if err != nil {
			t.Fatal(err)
		}
		selector, err := labels.Parse(r.selector())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if selector.Matches(labels.Set(mine)) != want.mine || selector.Matches(labels.Set(other)) != want.other {
			t.Errorf("%s: %s", name, selector)
		}
		r.Close()
	}
}
