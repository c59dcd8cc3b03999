package traceparent

import "testing"

func TestParse(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for header, want := range map[string]bool{
		good: true,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00":      true,
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more": true,
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x":     false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more": false,
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":      false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":      false,
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01":      false,
		"00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      false,
		"": false, "00": false,
	} {
		c, ok := Parse(header)
		if ok != want {
			t.Errorf("Parse(%q) = %v", header, ok)
		}
		if header == good && c.String() != good {
			t.Errorf("%q became %q", good, c)
		}
	}
}

func TestPlacesAreStableAndDiffer(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	build := Build(parent, "b1")
	if build.TraceID != Job(parent, "b1", "j", 1).TraceID || build.String()[3:35] != parent[3:35] {
		t.Error("a build and its jobs do not share the event's trace")
	}
	if build.Sampled || !Build("", "b1").Sampled || !Build("junk", "b1").Sampled {
		t.Error("the sampling decision of the event is not kept")
	}
	if one, same := Build("", "b1"), Build("", "b1"); one != same || one.TraceID == Build("", "b2").TraceID {
		t.Error("traces of their own are not by build")
	}
	spans := map[string]bool{}
	for _, c := range []Context{build, Job(parent, "b1", "j", 1), Job(parent, "b1", "j", 2), Job(parent, "b1", "k", 1), Build(parent, "b2")} {
		if _, ok := Parse(c.String()); !ok || spans[c.String()] {
			t.Errorf("%s is no place of its own", c)
		}
		spans[c.String()] = true
	}
}
