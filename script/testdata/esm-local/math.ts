export const twice = (n: number): number => n * 2;
export default function total(list: number[]): number { return list.reduce((a, b) => a + b, 0); }
