/* What the programs that time a model share. */
#ifndef NEOC_SAMPLE_H_
#define NEOC_SAMPLE_H_

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static inline uint32_t draw(void) { /* xorshift: the same numbers everywhere */
  static uint32_t state = 1;
  state ^= state << 13, state ^= state >> 17, state ^= state << 5;
  return state;
}

/* Floats in [-1, 1), everything else 0 or 1: integers may be indices. */
static inline void fill(void *data, const char *type, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    double real = draw() / 2147483648.0 - 1;
    int bit = draw() & 1;
    if (!strcmp(type, "float32")) ((float *)data)[i] = (float)real;
    else if (!strcmp(type, "float64")) ((double *)data)[i] = real;
    else if (!strcmp(type, "float16")) ((uint16_t *)data)[i] = bit ? 0x3800 : 0xb800; /* +-0.5 */
    else if (strstr(type, "64")) ((int64_t *)data)[i] = bit;
    else if (strstr(type, "32")) ((int32_t *)data)[i] = bit;
    else if (strstr(type, "16")) ((int16_t *)data)[i] = (int16_t)bit;
    else ((int8_t *)data)[i] = (int8_t)bit;
  }
}

static inline int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static inline void sort(double *times, int runs) {
  qsort(times, (size_t)runs, sizeof *times, by_value);
}

static inline double percentile(const double *sorted, int runs, int percent) { /* nearest rank */
  return sorted[((int64_t)runs * percent + 99) / 100 - 1];
}

#endif
