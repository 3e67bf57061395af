// Loaded before the program (--import): says at its end whether Node has loaded its undici, which takes 60 ms of CPU.
process.on('exit', () => {
  const { moduleLoadList } = process as unknown as { moduleLoadList: readonly string[] };
  if (moduleLoadList.includes('NativeModule internal/deps/undici/undici')) process.stderr.write('undici was loaded\n');
});
