package tables

import (
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func FuzzUnpack(f *testing.F) {
	for _, c := range Pack([]brigade.LogLine{{Seq: 1, Text: "a"}, {Seq: 5, Text: strings.Repeat("x", 1000), Level: "odd"}}) {
		f.Add(c.Data)
	}
	f.Add([]byte{packedFlate, 1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		if err := Unpack(data, func(brigade.LogLine) { n++ }); err == nil && len(data) == 0 {
			t.Error("nothing is not a chunk")
		}
	})
}
