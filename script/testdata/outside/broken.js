const ok = 1;
let let = 2;
