export const image = (name: string): string => `${name}:1.0`;
