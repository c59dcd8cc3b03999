export enum Kind { A = "a", B = "b" }
export default (n: number): number => n * 2;
