/* What callers give as shapes and tensors: what is wrong with it becomes the last error. */
#ifndef NEOC_CHECKS_H_
#define NEOC_CHECKS_H_

#include <stdbool.h>
#include <stdint.h>

#include "model.h"
#include "tensor.h"

/* -1 for what no tensor can have: a negative dimension, an overflow. */
int64_t count_elements(const int64_t *shape, int dim);
bool same_shape(const neoc_tensor *tensor, const int64_t *shape, int dim);
int check_count(const char *what, int64_t read, int64_t expected);

/* A caller's DLTensor: in this process's memory, row-major, of the type and size of ours; any size
 * where -1 is expected. */
int check_tensor(const char *what, const DLTensor *theirs, const DLTensor *ours, int64_t expected);
char *tensor_data(const DLTensor *tensor);

#endif
