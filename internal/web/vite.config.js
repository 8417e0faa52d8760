import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// The output is committed, so every machine must build the same bytes: with plain
// names, without source maps and without paths of the machine.
export default defineConfig({
  plugins: [svelte({ compilerOptions: { cssHash: ({ css, hash }) => `s-${hash(css)}` } })],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: false,
    sourcemap: false,
    rollupOptions: {
      output: {
        entryFileNames: 'argus.js',
        chunkFileNames: '[name].js',
        assetFileNames: 'argus[extname]',
      },
    },
  },
})
