// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// Result is one figure: a line of the table and an element of latest.json.
type Result struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Baseline names what Value is compared with; BaselineValue has its unit.
	Baseline      string  `json:"baseline,omitempty"`
	BaselineValue float64 `json:"baseline_value,omitempty"`
	// Ratio is the median over the rounds of value over baseline, which is
	// steadier than the ratio of the two medians.
	Ratio float64 `json:"ratio,omitempty"`
	// CPU is what the process that was measured, the gateway or the floor, used
	// for each unit of work, in microseconds: for each MiB where Value is in
	// MiB/s, for each operation where it is in ops/s. It hardly moves when others
	// use the machine.
	CPU float64 `json:"cpu_us,omitempty"`
	// ProxyCPU is likewise what the baseline used, where that is the proxy.
	ProxyCPU float64 `json:"proxy_cpu_us,omitempty"`
	// OfFloor is the gateway's rate over that of the floor, and OfFloorCPU what it
	// used over what that used. 0: there is no floor of this.
	OfFloor    float64 `json:"of_floor,omitempty"`
	OfFloorCPU float64 `json:"of_floor_cpu,omitempty"`
	// Bar is what Ratio, or Value where there is no baseline, is held to: at
	// least, or at most where Most is set. Nil: the figure is only reported.
	Bar   *float64 `json:"bar,omitempty"`
	Most  bool     `json:"at_most,omitempty"`
	Holds *bool    `json:"holds,omitempty"`
}

// rounds are the figures of one thing, one for each round.
type rounds []float64

func (r rounds) median() float64 {
	s := slices.Sorted(slices.Values(r))
	if len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[len(s)/2]
}

// figure is a Result from the rounds of one thing.
func figure(name, unit string, r rounds) Result {
	return Result{Name: name, Unit: unit, Value: r.median()}
}

// against is a Result from rounds that alternated with those of a baseline.
func against(name, unit string, r rounds, baseline string, base rounds) Result {
	res := figure(name, unit, r)
	res.Baseline, res.BaselineValue, res.Ratio = baseline, base.median(), r.over(base).median()
	return res
}

// over are the ratios of each round.
func (r rounds) over(base rounds) rounds {
	ratios := make(rounds, len(r))
	for i := range r {
		ratios[i] = r[i] / base[i]
	}
	return ratios
}

// costs are what the sides of a comparison used for a unit of work, in
// microseconds of CPU time.
type costs struct{ gateway, proxy, floor rounds }

func (r Result) costing(c costs) Result {
	r.CPU = c.gateway.median()
	if len(c.proxy) > 0 {
		r.ProxyCPU = c.proxy.median()
	}
	return r
}

// beside says how r stands to the floor, if there is one.
func (r Result) beside() string {
	if r.OfFloor == 0 {
		return ""
	}
	return fmt.Sprintf(": the gateway is %.2f of the floor, with %.2f of its CPU time", r.OfFloor, r.OfFloorCPU)
}

func (r Result) measured() float64 {
	if r.Baseline != "" {
		return r.Ratio
	}
	return r.Value
}

func (r Result) atLeast(bar float64) Result {
	r.Bar, r.Holds = &bar, new(r.measured() >= bar)
	return r
}

func (r Result) atMost(bar float64) Result {
	r.Bar, r.Most, r.Holds = &bar, true, new(r.measured() <= bar)
	return r
}

// write prints the table and keeps the figures in file.
func write(w io.Writer, file string, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "name\tvalue\tunit\tbaseline\t\tratio\tbar\tholds\tcpu us\tproxy cpu us\t")
	for _, r := range results {
		fmt.Fprintln(t, r.row())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o600)
}

func (r Result) row() string {
	base, ratio, bar, holds := "-\t", "-", "-", "-"
	if r.Baseline != "" {
		base, ratio = fmt.Sprintf("%s\t%s", r.Baseline, short(r.BaselineValue)), fmt.Sprintf("%.2f", r.Ratio)
	}
	if r.Bar != nil {
		sense := ">="
		if r.Most {
			sense = "<="
		}
		bar, holds = fmt.Sprintf("%s %g", sense, *r.Bar), "yes"
		if !*r.Holds {
			holds = "NO"
		}
	}
	used := func(v float64) string {
		if v > 0 {
			return short(v)
		}
		return "-"
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t", r.Name, short(r.Value), r.Unit, base, ratio, bar, holds, used(r.CPU), used(r.ProxyCPU))
}

// short prints a figure with the digits that mean something.
func short(v float64) string {
	if v != 0 && v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
