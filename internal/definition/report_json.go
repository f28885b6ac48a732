package definition

import (
	"encoding/json"
	"io"
)

// writeJSON writes one object with all findings, also if there are none.
func (r Report) writeJSON(w io.Writer, findings Findings) error {
	type placeJSON struct {
		File   string `json:"file,omitempty"`
		Line   int    `json:"line,omitempty"`
		Column int    `json:"column,omitempty"`
	}
	type relatedJSON struct {
		placeJSON
		Message string `json:"message"`
	}
	type findingJSON struct {
		Severity string `json:"severity"`
		placeJSON
		Code    string        `json:"code,omitempty"`
		Message string        `json:"message"`
		Hint    string        `json:"hint,omitempty"`
		Related []relatedJSON `json:"related,omitempty"`
	}
	all := struct {
		Findings []findingJSON `json:"findings"`
	}{[]findingJSON{}}
	for _, finding := range findings {
		one := findingJSON{Severity: finding.Severity.String(), Code: finding.Code, Message: finding.Message, Hint: finding.Hint,
			placeJSON: placeJSON{finding.File, finding.Line, finding.Column}}
		for _, related := range finding.Related {
			one.Related = append(one.Related, relatedJSON{placeJSON{related.File, related.Line, related.Column}, related.Label})
		}
		all.Findings = append(all.Findings, one)
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}
