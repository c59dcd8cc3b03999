package memory_test

import (
	"testing"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) brigade.Store { return memory.New(memory.Options{}) })
}
