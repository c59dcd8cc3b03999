// turn: 100ms
const forever: boolean = true;
for (; forever;) {
}
