import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// The output is committed, so it has to be the same wherever it is built:
// plain names, no source maps, nothing of the machine in it.
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
