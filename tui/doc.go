// Package tui shows builds to people and to the programs that read after them.
//
// A View is fed every brigade.Change of one build and is finished with the
// build's last state. There are three: Live (a terminal), Plain (anything
// else) and JSON (one object per line, for programs). New picks one. Table
// and PrintError serve the commands that look at stored things.
//
// Everything that comes from outside (names, log text, messages) passes Clean
// before it reaches a terminal: no cursor movement, no title, no clipboard, no
// hyperlink and no 8-bit control gets through.
//
// The views draw by themselves instead of through a terminal library: a short
// build pays nothing for them at start-up. Nothing here touches os: writers,
// sizes, the clock and the environment come in through Options.
package tui
