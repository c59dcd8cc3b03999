package pattern

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
)

// properties keeps the sets that were asked for: making one takes a while.
var properties sync.Map // of set, by what stands between the braces

// property is the set that \p{name} means, or \p{name=value}.
func property(text string) (set, error) {
	if known, ok := properties.Load(text); ok {
		return known.(set), nil
	}
	s, err := findProperty(text)
	if err == nil {
		properties.Store(text, s)
	}
	return s, err
}

func findProperty(text string) (set, error) {
	name, value, hasValue := strings.Cut(text, "=")
	switch {
	case hasValue && (name == "General_Category" || name == "gc"):
		if s, ok := category(value); ok {
			return s, nil
		}
	case hasValue && (name == "Script" || name == "sc"):
		if t := unicode.Scripts[scriptName(value)]; t != nil {
			return ofTable(t), nil
		}
	case hasValue && (name == "Script_Extensions" || name == "scx"):
		return nil, fmt.Errorf("the property %s is not known here: use Script=%s", name, value)
	case hasValue:
	default:
		if s, ok := category(text); ok {
			return s, nil
		}
		if s, ok := binary(text); ok {
			return s, nil
		}
	}
	return nil, errProperty
}

// categoryNames are the long names of the general categories.
var categoryNames = map[string]string{
	"Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt",
	"Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn",
	"Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd", "digit": "Nd", "Letter_Number": "Nl",
	"Other_Number": "No", "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd",
	"Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf",
	"Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk",
	"Other_Symbol": "So", "Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp",
	"Other": "C", "Control": "Cc", "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co", "Unassigned": "Cn",
}

// category is the set of a general category.
func category(name string) (set, bool) {
	if short := categoryNames[name]; short != "" {
		name = short
	}
	switch name {
	case "LC":
		return ofTable(unicode.Lu, unicode.Ll, unicode.Lt), true
	case "Cn":
		return assigned().not(), true
	case "C":
		return ofTable(unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co).union(assigned().not()), true
	}
	t := unicode.Categories[name]
	if t == nil || len(name) > 2 {
		return nil, false
	}
	return ofTable(t), true
}

// assigned are the code points that stand for something.
func assigned() set {
	return ofTable(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co)
}

// scriptCodes are the short names of the scripts that are met most.
var scriptCodes = map[string]string{
	"Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Bopo": "Bopomofo", "Brai": "Braille", "Cher": "Cherokee",
	"Copt": "Coptic", "Qaac": "Coptic", "Cyrl": "Cyrillic", "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian",
	"Goth": "Gothic", "Grek": "Greek", "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hang": "Hangul", "Hani": "Han", "Hebr": "Hebrew",
	"Hira": "Hiragana", "Kana": "Katakana", "Khmr": "Khmer", "Knda": "Kannada", "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam",
	"Mong": "Mongolian", "Mymr": "Myanmar", "Orya": "Oriya", "Runr": "Runic", "Sinh": "Sinhala", "Syrc": "Syriac", "Taml": "Tamil",
	"Telu": "Telugu", "Thaa": "Thaana", "Thai": "Thai", "Tibt": "Tibetan", "Zinh": "Inherited", "Qaai": "Inherited", "Zyyy": "Common",
}

func scriptName(name string) string {
	if long := scriptCodes[name]; long != "" {
		return long
	}
	return name
}

// binary is the set of a property that a code point has or has not.
func binary(name string) (set, bool) {
	if short := binaryNames[name]; short != "" {
		name = short
	}
	if make := derived[name]; make != nil {
		return make(), true
	}
	if plainProperties[name] {
		return ofTable(unicode.Properties[name]), true
	}
	return nil, false
}

// binaryNames are short names of properties.
var binaryNames = map[string]string{
	"AHex": "ASCII_Hex_Digit", "Alpha": "Alphabetic", "Bidi_C": "Bidi_Control", "DI": "Default_Ignorable_Code_Point",
	"Dep": "Deprecated", "Dia": "Diacritic", "EBase": "Emoji_Modifier_Base", "EComp": "Emoji_Component", "EMod": "Emoji_Modifier",
	"EPres": "Emoji_Presentation", "ExtPict": "Extended_Pictographic", "Ext": "Extender", "Gr_Base": "Grapheme_Base",
	"Gr_Ext": "Grapheme_Extend", "Hex": "Hex_Digit", "IDSB": "IDS_Binary_Operator", "IDST": "IDS_Trinary_Operator",
	"IDC": "ID_Continue", "IDS": "ID_Start", "Ideo": "Ideographic", "Join_C": "Join_Control", "LOE": "Logical_Order_Exception",
	"Lower": "Lowercase", "NChar": "Noncharacter_Code_Point", "Pat_Syn": "Pattern_Syntax", "Pat_WS": "Pattern_White_Space",
	"QMark": "Quotation_Mark", "RI": "Regional_Indicator", "STerm": "Sentence_Terminal", "SD": "Soft_Dotted",
	"Term": "Terminal_Punctuation", "UIdeo": "Unified_Ideograph", "Upper": "Uppercase", "VS": "Variation_Selector", "space": "White_Space",
}

// plainProperties are those the standard library has under their own names.
var plainProperties = map[string]bool{
	"ASCII_Hex_Digit": true, "Bidi_Control": true, "Dash": true, "Deprecated": true, "Diacritic": true, "Extender": true,
	"Hex_Digit": true, "IDS_Binary_Operator": true, "IDS_Trinary_Operator": true, "Ideographic": true, "Join_Control": true,
	"Logical_Order_Exception": true, "Noncharacter_Code_Point": true, "Pattern_Syntax": true, "Pattern_White_Space": true,
	"Quotation_Mark": true, "Radical": true, "Regional_Indicator": true, "Sentence_Terminal": true, "Soft_Dotted": true,
	"Terminal_Punctuation": true, "Unified_Ideograph": true, "Variation_Selector": true, "White_Space": true,
}

// derived are the properties that the Unicode standard derives from others,
// and those of emoji.
var derived = map[string]func() set{
	"Any":        func() set { return all },
	"ASCII":      func() set { return set{{0, 0x7f}} },
	"Assigned":   assigned,
	"Alphabetic": func() set { return ofTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic) },
	"Lowercase":  lowercase,
	"Uppercase":  uppercase,
	"Cased":      func() set { return lowercase().union(uppercase(), ofTable(unicode.Lt)) },
	"Math":       func() set { return ofTable(unicode.Sm, unicode.Other_Math) },
	"ID_Start":   idStart,
	"ID_Continue": func() set {
		return idStart().union(ofTable(unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)).minus(patternText())
	},
	"Grapheme_Extend": func() set { return ofTable(unicode.Me, unicode.Mn, unicode.Other_Grapheme_Extend) },
	"Grapheme_Base": func() set {
		return assigned().minus(ofTable(unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp, unicode.Me, unicode.Mn, unicode.Other_Grapheme_Extend))
	},
	"Default_Ignorable_Code_Point": func() set {
		ignored := ofTable(unicode.Other_Default_Ignorable_Code_Point, unicode.Cf, unicode.Variation_Selector)
		return ignored.minus(ofTable(unicode.White_Space, unicode.Prepended_Concatenation_Mark).union(set{{0xfff9, 0xfffb}}, set{{0x13430, 0x1343f}}))
	},
	"Emoji":                 func() set { return emoji },
	"Emoji_Component":       func() set { return emojiComponent },
	"Emoji_Modifier":        func() set { return emojiModifier },
	"Emoji_Modifier_Base":   func() set { return emojiModifierBase },
	"Emoji_Presentation":    func() set { return emojiPresentation },
	"Extended_Pictographic": func() set { return extendedPictographic },
}

func lowercase() set { return ofTable(unicode.Ll, unicode.Other_Lowercase) }

func uppercase() set { return ofTable(unicode.Lu, unicode.Other_Uppercase) }

func patternText() set { return ofTable(unicode.Pattern_Syntax, unicode.Pattern_White_Space) }

func idStart() set {
	return ofTable(unicode.L, unicode.Nl, unicode.Other_ID_Start).minus(patternText())
}
