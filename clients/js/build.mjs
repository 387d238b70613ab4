/** Bundles the page into dist/: index.html, and assets/ whose names change with their content. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await mkdir("dist/assets", { recursive: true });

const result = await build({
  entryPoints: { app: "page/main.ts", style: "page/style.css" },
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
});

const files = Object.keys(result.metafile.outputs).map((path) => basename(path));
const named = (start) => `/assets/${files.find((file) => file.startsWith(start))}`;
const template = await readFile("page/index.html", "utf8");
await writeFile("dist/index.html", template.replace("%APP%", named("app-")).replace("%STYLE%", named("style-")));
for (const [path, { bytes }] of Object.entries(result.metafile.outputs)) console.log(`${path}  ${bytes} bytes`);
