/* Exit code 0 if the compiler hands the whole tile configuration of AMX to the processor.
 *
 * GCC 12.2 with -O3 keeps the first eight bytes that _tile_loadconfig is given and drops the stores
 * behind them: the llama.cpp of llama-cpp-python 0.3.36, built with -march=native, then ends in a
 * segmentation fault at its first matrix product on processors with AMX.
 */
#include <immintrin.h>
#include <string.h>

struct configuration {
  unsigned char palette, start_row, reserved[14];
  unsigned short columns[16];
  unsigned char rows[16];
};

int main(void) {
  struct configuration wanted = {0}, loaded;
  wanted.palette = 1;
  for (int tile = 0; tile < 8; tile++) {
    wanted.columns[tile] = 64;
    wanted.rows[tile] = 16;
  }
  _tile_loadconfig(&wanted);
  _tile_storeconfig(&loaded);
  for (int tile = 0; tile < 8; tile++)
    if (loaded.columns[tile] != 64 || loaded.rows[tile] != 16) return 1;
  return 0;
}
