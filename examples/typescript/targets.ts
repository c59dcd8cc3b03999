export interface Target {
  os: "linux" | "darwin";
  arch: "amd64" | "arm64";
}

export const matrix: readonly Target[] = [
  { os: "linux", arch: "amd64" },
  { os: "linux", arch: "arm64" },
  { os: "darwin", arch: "arm64" },
];
