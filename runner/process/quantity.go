package process

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var quantityUnits = []struct {
	suffix string
	factor float64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"Pi", 1 << 50}, {"Ei", 1 << 60},
	{"n", 1e-9}, {"u", 1e-6}, {"m", 1e-3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}, {"E", 1e18},
}

// parseQuantity reads a Kubernetes quantity, such as 500m, 128Mi, 1.5 or 1e3.
func parseQuantity(text string) (float64, error) {
	number, factor := text, 1.0
	for _, u := range quantityUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			number, factor = rest, u.factor
			break
		}
	}
	if strings.Trim(number, "0123456789.eE+-") != "" {
		return 0, fmt.Errorf("%.40q is not a quantity", text)
	}
	v, err := strconv.ParseFloat(number, 64)
	if v *= factor; err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%.40q is not a quantity", text)
	}
	return v, nil
}
