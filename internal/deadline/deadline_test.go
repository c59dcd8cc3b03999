package deadline

import (
	"testing"
	"time"
)

func TestTheEarliestCounts(t *testing.T) {
	var d Deadline
	if d.Passing() {
		t.Error("it passes before it was set")
	}
	if !d.Set(time.Hour) || !d.Passing() {
		t.Error("the first demand is not the first")
	}
	if d.Set(2*time.Hour) || d.Left() > time.Hour {
		t.Errorf("it moved back: %v left", d.Left())
	}
	if d.Set(-time.Hour) || d.Left() > 0 || d.Left() < -time.Minute {
		t.Errorf("%v left of a demand for now", d.Left())
	}
}

func TestAwait(t *testing.T) {
	done := make(chan struct{})
	var d Deadline
	d.Set(time.Hour)
	ended := make(chan bool)
	go func() { ended <- d.Await(done, time.Hour) }()
	d.Set(time.Minute)
	d.Set(0)
	if <-ended {
		t.Error("it waited for done though the deadline had passed")
	}
	close(done)
	var late Deadline
	late.Set(time.Hour)
	if !late.Await(done, 0) {
		t.Error("what has ended counts as overdue")
	}
}

func TestSlackIsGivenOnce(t *testing.T) {
	var d Deadline
	d.Set(0)
	ended := make(chan bool, 1)
	go func() { ended <- d.Await(nil, 20*time.Millisecond) }()
	if <-ended {
		t.Error("nothing has ended")
	}
	if d.Left() > -20*time.Millisecond {
		t.Errorf("the slack was not given: %v left", d.Left())
	}
}
