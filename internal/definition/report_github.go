package definition

import (
	"fmt"
	"io"
	"strings"
)

// writeGitHub writes a workflow command per finding, which GitHub shows beside the line of the file. They are described at
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
func (r Report) writeGitHub(w io.Writer, findings Findings) error {
	for _, finding := range findings {
		var properties []string
		property := func(name, value string) { properties = append(properties, name+"="+githubProperty.Replace(value)) }
		if finding.File != "" {
			property("file", r.path(finding.File))
		}
		if finding.Line > 0 {
			property("line", fmt.Sprint(finding.Line))
			property("col", fmt.Sprint(finding.Column))
		}
		title := "mutexgen"
		if finding.Code != "" {
			title += ": " + finding.Code
		}
		property("title", title)
		text := finding.Message
		for _, related := range finding.Related {
			text += "\n" + place(r.path(related.File), related.Position) + ": " + related.Label
		}
		if finding.Hint != "" {
			text += "\nhint: " + finding.Hint
		}
		if _, err := fmt.Fprintf(w, "::%v %s::%s\n", finding.Severity, strings.Join(properties, ","), githubText.Replace(text)); err != nil {
			return err
		}
	}
	return nil
}

func (r Report) path(name string) string {
	if r.Path == nil || name == "" {
		return name
	}
	return r.Path(name)
}

var (
	githubText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
