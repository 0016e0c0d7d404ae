// Bundles the extension into one file; with --tests, each test into one of its own.
import { build } from 'esbuild';
import { readdirSync } from 'node:fs';

const tests = process.argv.includes('--tests');
await build({
  entryPoints: tests
    ? readdirSync('test').filter((name) => name.endsWith('.ts')).map((name) => `test/${name}`)
    : ['src/extension.ts'],
  outdir: tests ? 'out' : 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['vscode'],
  minify: process.argv.includes('--minify'),
  logLevel: 'warning',
});
