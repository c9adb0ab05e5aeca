/* Models for any number of rows: the rows given, the rows made, and which plan runs which of them.
 *
 * Blocks lie one behind the other. The last one may reach beyond the rows: there is room for it, and
 * what it reads there are numbers of no meaning, whose results nobody sees. */
#ifndef NEOC_ROWS_H_
#define NEOC_ROWS_H_

#include <stdint.h>

#include "memory.h"

typedef struct instance instance;

typedef struct {
  unsigned char *data;
  memory_release release;
} block;

/* given: of the input, -1 before it is set; made: of the output; room: for both. What a run has
 * made stays until the next run, so that a larger block waits for that. */
typedef struct {
  int64_t given, made, room;
  int64_t shape[2]; /* of the output as it was made */
  block input, output, larger;
  unsigned char *copied; /* where the rows of the last block belong, if they are not there */
} rows;

/* Copies the input in; fewer columns than the model's are missing values. */
int rows_set(instance *self, const int64_t *shape, const float *data, int dim);
int rows_begin(instance *self);
instance *rows_next(instance *self, int64_t *at);
void rows_free(rows *self);

#endif
