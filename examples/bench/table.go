package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// printTable prints the median of each figure with the lowest and the highest,
// and the median of its ratio to the baseline of the same run.
func printTable(out io.Writer, columns []column, programs []program, figures [][][]float64) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\t")
	for _, c := range columns {
		fmt.Fprintf(w, "%s\t", c.name)
		if c.ratio {
			fmt.Fprint(w, "ratio\t")
		}
	}
	fmt.Fprintln(w)
	for p, program := range programs {
		fmt.Fprintf(w, "%s\t", program.name)
		for c, column := range columns {
			var values, ratios []float64
			for _, run := range figures {
				values = append(values, run[p][c])
				ratios = append(ratios, run[p][c]/run[0][c])
			}
			fmt.Fprintf(w, "%.*f", column.digits, median(values))
			if len(values) > 1 {
				fmt.Fprintf(w, " (%.*f–%.*f)", column.digits, slices.Min(values), column.digits, slices.Max(values))
			}
			fmt.Fprint(w, "\t")
			if column.ratio {
				fmt.Fprintf(w, "%.2f\t", median(ratios))
			}
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
