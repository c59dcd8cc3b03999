// turn: 2s
const forever: boolean = true;
for (; forever;) {
}
