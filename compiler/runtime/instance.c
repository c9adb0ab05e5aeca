#include "instance.h"

#include <dlfcn.h>
#include <string.h>

#include "cpus.h"
#include "error.h"

static const char *device_name(int type) {
  switch (type) {
    case DEVICE_CPU: return "cpu";
    case DEVICE_GPU: return "gpu";
    case DEVICE_OPENCL: return "opencl";
    default: return "";
  }
}

/* ---- building the argument lists ---- */

static unsigned char *home(const instance *self, const neoc_buffer *buffer) {
  /* Kernels only read constants, but a DLTensor has no const. */
  unsigned char *base =
      buffer->space == NEOC_ARENA ? self->arena : (unsigned char *)(uintptr_t)self->model->constants;
  return base + buffer->offset;
}

static size_t buffer_bytes(const neoc_buffer *buffer) {
  return ((size_t)buffer->elements * buffer->bits + 7) / 8;
}

static int64_t num_arguments(const neoc_model_t *model) {
  int64_t end = 0;
  for (int i = 0; i < model->num_steps; i++) {
    int64_t last = (int64_t)model->steps[i].first + model->steps[i].count;
    if (last > end) end = last;
  }
  return end;
}

static void drop_managed(DLManagedTensor *tensor) { instance_release(tensor->manager_ctx); }

/* Out of one kind of memory, so that they share release_block. */
static void *allocate(instance *self, int64_t count, size_t size) {
  return memory_block((size_t)count * size, &self->release_block);
}

/* Of a model for any number of rows the outputs' shapes change. */
static bool own_shapes(instance *self) {
  int64_t count = 0;
  for (int i = 0; i < self->model->num_outputs; i++) count += self->model->outputs[i].ndim;
  int64_t *shape = self->shapes = allocate(self, count, sizeof *shape);
  if (!shape) return false;
  for (int i = 0; i < self->model->num_outputs; i++) {
    DLTensor *tensor = &self->outputs[i].dl_tensor;
    memcpy(shape, tensor->shape, (size_t)tensor->ndim * sizeof *shape);
    tensor->shape = shape;
    shape += tensor->ndim;
  }
  return true;
}

static bool build(instance *self) {
  const neoc_model_t *model = self->model;
  int64_t count = num_arguments(model);
  self->arena = allocate(self, model->arena_bytes, 1);
  self->tensors = allocate(self, model->num_buffers, sizeof *self->tensors);
  self->arguments = allocate(self, count, sizeof *self->arguments);
  self->outputs = allocate(self, model->num_outputs, sizeof *self->outputs);
  if (!self->arena || !self->tensors || !self->arguments || !self->outputs) return false;
  for (int i = 0; i < model->num_buffers; i++) {
    const neoc_buffer *buffer = &model->buffers[i];
    self->tensors[i] = (DLTensor){.data = home(self, buffer),
                                  .device = {DEVICE_CPU, 0},
                                  .ndim = 1,
                                  .dtype = {buffer->code, buffer->bits, 1},
                                  .shape = (int64_t *)(uintptr_t)&buffer->elements};
  }
  for (int64_t i = 0; i < count; i++)
    self->arguments[i] =
        (TVMFFIAny){.type_index = ANY_TENSOR, .pointer = &self->tensors[model->arguments[i]]};
  for (int i = 0; i < model->num_outputs; i++) {
    const neoc_tensor *output = &model->outputs[i];
    DLTensor *tensor = &self->outputs[i].dl_tensor;
    *tensor = self->tensors[output->buffer];
    tensor->ndim = output->ndim;
    tensor->shape = (int64_t *)(uintptr_t)output->shape;
    self->outputs[i].manager_ctx = self;
    self->outputs[i].deleter = drop_managed;
  }
  if (model->rows && !own_shapes(self)) return false;
  for (int i = 0; i < model->num_inputs && !model->rows; i++) /* one that is never set reads as zeros */
    memset(instance_data(self, &model->inputs[i]), 0, instance_bytes(self, &model->inputs[i]));
  return true;
}

/* ---- loading ---- */

static int check_device(metadata meta, int device_type) {
  int required = meta.device_type ? meta.device_type : DEVICE_CPU;
  if (device_type != required)
    return fail("Compiled model requires device type \"%s\" but user gave \"%s\".",
                device_name(required), device_name(device_type));
  if (required != DEVICE_CPU)
    return fail("This libdlr.so runs models on the CPU; it cannot run one for device type \"%s\".",
                device_name(required));
  return 0;
}

static int open_library(instance *self, const char *path) {
  char missing[64];
  self->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!self->library) return fail("Cannot load the model library: %s", dlerror());
  self->model = dlsym(self->library, "neoc_model");
  if (!self->model)
    return fail("%s is not a compiled model: it has no symbol neoc_model.", path);
  if (self->model->version != NEOC_MODEL_VERSION)
    return fail("%s has model version %d, but this libdlr.so reads version %d; use the libdlr.so "
                "of the model's own folder.",
                path, (int)self->model->version, NEOC_MODEL_VERSION);
  const char *features = self->model->features ? self->model->features : "";
  if (!cpu_has("", features, missing, sizeof missing))
    return fail("%s needs a CPU with %s, which this machine lacks; compile it for this machine's "
                "CPU.",
                path, missing);
  return 0;
}

static instance *new_instance(void) {
  memory_release release;
  instance *self = memory_object(sizeof *self, &release);
  if (!self) return fail("Out of memory."), NULL;
  self->references = 1;
  self->release_object = release;
  self->rows.given = -1;
  return self;
}

/* The plan's and those of all behind it. */
static int build_all(instance *self) {
  if (!build(self))
    return fail("Out of memory: the model's arena takes %lld bytes.",
                (long long)self->model->arena_bytes);
  if (!self->model->next) return 0;
  if (!(self->next = new_instance())) return -1;
  self->next->model = self->model->next;
  return build_all(self->next);
}

instance *instance_load(const char *library, metadata meta, int device_type) {
  if (check_device(meta, device_type)) return NULL;
  instance *self = new_instance();
  if (!self) return NULL;
  self->meta = meta;
  if (open_library(self, library) || build_all(self)) {
    instance_release(self);
    return NULL;
  }
  self->model->bind(pool_launch, pool_meet, pool_allocate, pool_release);
  return self;
}

void instance_retain(instance *self) { self->references++; }

void instance_release(instance *self) {
  if (--self->references) return;
  if (self->next) instance_release(self->next);
  rows_free(&self->rows);
  void *blocks[] = {self->shapes, self->outputs, self->arguments, self->tensors, self->arena};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
    if (blocks[i]) self->release_block(blocks[i]);
  if (self->library) dlclose(self->library);
  self->release_object(self);
}

/* ---- running ---- */

int32_t instance_step(const instance *self, int32_t number) {
  const neoc_step *step = &self->model->steps[number];
  const TVMFFIAny *arguments = self->arguments + step->first;
  TVMFFIAny result = {0};
  if (step->kernel)
    return step->kernel(NULL, arguments, step->count, &result) ? -1 : number + 1;
  const DLTensor *condition = step->count ? arguments->pointer : NULL;
  return condition && *(const unsigned char *)condition->data ? number + 1 : step->target;
}

instance *instance_next(instance *self, int64_t *at) {
  if (self->model->rows) return rows_next(self, at);
  return (*at)++ ? NULL : self;
}

static int run_plan(const instance *self, const pool *pool) {
  const neoc_model_t *model = self->model;
  int32_t step = 0, next = 0;
  while (next >= 0 && (step = next) < model->num_steps) next = instance_step(self, step);
  if (next >= 0) return 0;
  const char *text = pool_error(pool);
  return fail("Kernel %s failed: %s", model->steps[step].name, text ? text : model->error());
}

int instance_run(instance *self, pool *pool) {
  if (self->model->rows && rows_begin(self)) return -1;
  pool_enter(pool, self->model->error);
  int64_t at = 0;
  int code = 0;
  for (instance *plan; !code && (plan = instance_next(self, &at));) code = run_plan(plan, pool);
  pool_leave(pool);
  return code;
}

/* ---- inputs and outputs ---- */

int tensor_index(const neoc_tensor *tensors, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (!strcmp(tensors[i].name, name)) return i;
  return -1;
}

int64_t tensor_elements(const neoc_tensor *tensor) {
  int64_t elements = 1;
  for (int i = 0; i < tensor->ndim; i++) elements *= tensor->shape[i];
  return elements;
}

int64_t instance_extent(const instance *self, const neoc_tensor *tensor, int axis) {
  return self->model->rows && !axis ? self->rows.given : tensor->shape[axis];
}

int64_t instance_elements(const instance *self, const neoc_tensor *tensor) {
  if (!self->model->rows) return tensor_elements(tensor);
  return self->rows.given < 0 ? -1 : tensor_elements(tensor) / tensor->shape[0] * self->rows.given;
}

size_t instance_bytes(const instance *self, const neoc_tensor *tensor) {
  const neoc_buffer *buffer = &self->model->buffers[tensor->buffer];
  if (!self->model->rows) return buffer_bytes(buffer);
  return (size_t)(instance_elements(self, tensor) * buffer->bits / 8);
}

void *instance_data(const instance *self, const neoc_tensor *tensor) {
  if (!self->model->rows) return self->tensors[tensor->buffer].data;
  if (tensor == self->model->inputs) return self->rows.input.data;
  return self->outputs[tensor - self->model->outputs].dl_tensor.data;
}

/* Every buffer inside the tensor's bytes is a view of it, and moves along. */
void instance_place(instance *self, const neoc_tensor *tensor, void *data) {
  const neoc_buffer *moved = &self->model->buffers[tensor->buffer];
  int64_t end = moved->offset + (int64_t)buffer_bytes(moved);
  for (int i = 0; i < self->model->num_buffers; i++) {
    const neoc_buffer *buffer = &self->model->buffers[i];
    bool view = buffer->space == moved->space && buffer->offset >= moved->offset &&
                buffer->offset + (int64_t)buffer_bytes(buffer) <= end &&
                (buffer->offset < end || buffer == moved);
    if (!view) continue;
    self->tensors[i].data =
        data ? (unsigned char *)data + (buffer->offset - moved->offset) : home(self, buffer);
  }
  for (int i = 0; i < self->model->num_outputs; i++) /* an output may be an input's own buffer */
    self->outputs[i].dl_tensor.data = self->tensors[self->model->outputs[i].buffer].data;
}
