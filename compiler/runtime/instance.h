/* A loaded model: compiled.so, an arena, and every kernel's argument list built in advance. Of one
 * for any number of rows it is the plan for the fewest, with the others behind it (see rows.h). */
#ifndef NEOC_INSTANCE_H_
#define NEOC_INSTANCE_H_

#include <stdbool.h>
#include <stddef.h>

#include "memory.h"
#include "meta.h"
#include "model.h"
#include "pool.h"
#include "rows.h"
#include "tensor.h"

struct instance {
  _Atomic int references; /* the handle's, and one for each managed tensor given out */
  void *library;
  const neoc_model_t *model;
  metadata meta;
  unsigned char *arena;
  DLTensor *tensors;        /* one per buffer */
  TVMFFIAny *arguments;     /* model->arguments, as pointers to tensors */
  DLManagedTensor *outputs; /* one per output, in its user's shape */
  int64_t *shapes;          /* of the outputs, where the number of rows is free */
  memory_release release_block, release_object;
  instance *next;
  rows rows;
};

/* NULL on failure, with the last error set. */
instance *instance_load(const char *library, metadata meta, int device_type);
void instance_retain(instance *self);
void instance_release(instance *self);

/* The plan that a run goes on with, ready for its rows; NULL at the end. at: 0 at the start. */
instance *instance_next(instance *self, int64_t *at);
/* Runs a step, and tells the number of the next one; -1 if its kernel failed. */
int32_t instance_step(const instance *self, int32_t number);
int instance_run(instance *self, pool *pool);

/* The index of a name, or -1 without an error text. */
int tensor_index(const neoc_tensor *tensors, int count, const char *name);
int64_t tensor_elements(const neoc_tensor *tensor);
/* As the user sees it now: -1 where the number of rows is not known yet. */
int64_t instance_extent(const instance *self, const neoc_tensor *tensor, int axis);
int64_t instance_elements(const instance *self, const neoc_tensor *tensor);
size_t instance_bytes(const instance *self, const neoc_tensor *tensor);
void *instance_data(const instance *self, const neoc_tensor *tensor);

/* Lets the data of an input or an output be elsewhere; NULL brings it back into the arena. */
void instance_place(instance *self, const neoc_tensor *tensor, void *data);

#endif
