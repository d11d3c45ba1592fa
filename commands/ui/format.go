package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/template"
)

// Format is what --format takes: "json", "table TEMPLATE", or a Go template; with docker's
// functions, and "\t" and "\n" written as such.
type Format struct {
	text  string
	table bool
	tmpl  *template.Template
}

// ParseFormat reads source; an empty one or "table" alone is the format given as standard.
func ParseFormat(source, standard string) (*Format, error) {
	if source == "" || source == "table" {
		source = standard
	}
	f := &Format{text: source}
	if rest, ok := strings.CutPrefix(source, "table"); ok {
		f.text, f.table = rest, true
	}
	if f.text == "json" {
		f.text = "{{json .}}"
	}
	f.text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.Trim(f.text, " "))
	var err error
	if f.tmpl, err = template.New("").Funcs(functions()).Parse(f.text); err != nil {
		return nil, fmt.Errorf("template parsing error: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return f, nil
}

// Uses reports whether the format names the field.
func (f *Format) Uses(field string) bool {
	return strings.Contains(f.text, "."+field)
}

// Write renders rows, one line each, a table with its header first. A row is a struct of strings
// (and methods, such as Label) whose fields carry their column header in a tag `header:"IMAGE ID"`.
// A table's cells are escaped; so is everything else when terminal is true, but for line breaks.
func Write[R any](w io.Writer, f *Format, rows []R, terminal bool) error {
	var body bytes.Buffer
	for i := range rows {
		var row any = rows[i]
		if f.table {
			row = escapedRow(rows[i])
		}
		if err := f.tmpl.Execute(&body, row); err != nil {
			return fmt.Errorf("template parsing error: %s", strings.TrimPrefix(err.Error(), "template: "))
		}
		body.WriteByte('\n')
	}
	if !f.table {
		_, err := io.WriteString(w, onTerminal(body.String(), terminal))
		return err
	}
	var zero R
	var head bytes.Buffer
	if err := f.tmpl.Funcs(headerFunctions()).Execute(&head, headers(zero)); err != nil {
		return fmt.Errorf("template parsing error: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	t := NewTable(w, 10, 1, 3, ' ')
	fmt.Fprintln(t, head.String())
	if _, err := body.WriteTo(t); err != nil {
		return err
	}
	return t.Flush()
}

func onTerminal(s string, terminal bool) string {
	if terminal {
		return EscapeLines(s)
	}
	return s
}

// header is what a template sees when the header line is made: column names instead of values.
type header map[string]string

// Label stands for the rows' method of that name: the last part of the key is the column's name.
func (header) Label(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		name = name[i+1:]
	}
	return strings.NewReplacer("_", " ", "-", " ").Replace(Escape(name))
}

func headers(row any) header {
	h := header{}
	t := reflect.TypeOf(row)
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			h[f.Name] = f.Tag.Get("header")
		}
	}
	return h
}

// escapedRow gives a copy of row with its strings escaped.
func escapedRow[R any](row R) R {
	v := reflect.ValueOf(&row).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String && f.CanSet() {
			f.SetString(Escape(f.String()))
		}
	}
	return row
}

// functions are docker's, for --format everywhere.
func functions() template.FuncMap {
	return template.FuncMap{
		"json":     encodeJSON,
		"split":    strings.Split,
		"join":     joinAny,
		"title":    title,
		"lower":    strings.ToLower,
		"upper":    strings.ToUpper,
		"pad":      pad,
		"truncate": truncate,
		"println":  fmt.Sprintln,
	}
}

// headerFunctions keep a column's name as it is where functions would change it.
func headerFunctions() template.FuncMap {
	same := func(v string) string { return v }
	same2 := func(v, _ string) string { return v }
	return template.FuncMap{"json": same, "split": same2, "join": same2, "title": same, "lower": same, "upper": same,
		"truncate": func(v string, _ int) string { return v }}
}

// encodeJSON gives v as docker's json function does: rows as an object with sorted keys, "<" kept.
func encodeJSON(v any) (string, error) {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Struct && r.NumField() > 0 && r.Type().Field(0).Tag.Get("header") != "" {
		m := map[string]any{}
		for i := range r.NumField() {
			if f := r.Type().Field(i); f.IsExported() {
				m[f.Name] = r.Field(i).Interface()
			}
		}
		v = m
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func joinAny(v any, sep string) (string, error) {
	switch list := v.(type) {
	case []string:
		return strings.Join(list, sep), nil
	case []any: // of a document read from JSON
		out := make([]string, len(list))
		for i, x := range list {
			out[i] = fmt.Sprint(x)
		}
		return strings.Join(out, sep), nil
	case nil:
		return "", nil
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice || r.Type().Elem().Kind() != reflect.String {
		return "", fmt.Errorf("join wants a list of strings, not %T", v)
	}
	out := make([]string, r.Len())
	for i := range out {
		out[i] = r.Index(i).String()
	}
	return strings.Join(out, sep), nil
}

func title(s string) string {
	words := []byte(s)
	first := true
	for i, c := range words {
		if first && c >= 'a' && c <= 'z' {
			words[i] = c - 'a' + 'A'
		}
		first = c == ' ' || c == '\t' || c == '\n'
	}
	return string(words)
}

// pad surrounds a string that is not empty with spaces; the counts are bounded, because a template
// may come from a file of somebody else.
func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	bound := func(n int) int { return min(max(n, 0), 1<<10) }
	return strings.Repeat(" ", bound(before)) + s + strings.Repeat(" ", bound(after))
}

func truncate(s string, n int) string {
	if n < 0 || len(s) < n {
		return s
	}
	return s[:n]
}

// Template parses the format of an inspect verb: a Go template with docker's functions.
func Template(source string) (*template.Template, error) {
	t, err := template.New("").Funcs(functions()).Parse(source)
	if err != nil {
		return nil, fmt.Errorf("template parsing error: %w", err)
	}
	return t, nil
}

// Documents gives an array of JSON documents with a line break behind it, indented as docker's
// inspect does, or compact on one line.
func Documents(docs []any, compact bool) (string, error) {
	if len(docs) == 0 {
		return "[]\n", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if !compact {
		e.SetIndent("", "    ")
	}
	if err := e.Encode(docs); err != nil {
		return "", err
	}
	return b.String(), nil
}

// Execute runs a template on one document. A field the document's type does not have is looked for
// once more in its JSON form, whose keys may be spelled differently.
func Execute(t *template.Template, doc any) (string, error) {
	var b bytes.Buffer
	err := t.Execute(&b, doc)
	if err == nil {
		return b.String(), nil
	}
	b.Reset()
	if data, merr := json.Marshal(doc); merr == nil {
		var raw any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber() // large numbers stay what they are
		if d.Decode(&raw) == nil {
			if err = t.Option("missingkey=error").Execute(&b, raw); err == nil {
				return b.String(), nil
			}
		}
	}
	return "", fmt.Errorf("template parsing error: %w", err)
}
