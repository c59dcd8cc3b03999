package term

import "fmt"

// The message that fills the clipboard is the terminal library's own.
func typeName(v any) string { return fmt.Sprintf("%T", v) }
func clipText(v any) string { return fmt.Sprint(v) }
