/* rows_test ROWS: a model for any number of rows, from one to many and back, for the address and
 * undefined-behaviour sanitizers. Linked with the runtime's sources. Exits 0 if all holds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlr.h"
#include "tensor.h"

#define CHECK(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
#define OK(call) CHECK((call) == 0)
#define FAILS(call, text) CHECK((call) == -1 && strstr(DLRGetLastError(), text))

enum { COLUMNS = 3, MOST = 200 };
static float x[MOST * COLUMNS], copy[MOST * COLUMNS], out[MOST * 2];
static int64_t counts[MOST];

static void broken(int line, const char *condition) {
  printf("line %d: %s (%s)\n", line, condition, DLRGetLastError());
  exit(1);
}

/* Row r has r % 4 missing numbers, its last ones. */
static void fill_rows(void) {
  for (int r = 0; r < MOST; r++)
    for (int c = 0; c < COLUMNS; c++) x[r * COLUMNS + c] = c >= COLUMNS - r % 4 ? NAN : 1;
}

static void check_size(DLRModelHandle *model, int64_t rows) {
  int64_t shape[2], size;
  int dim;
  OK(GetDLRInputShape(model, 0, shape)), CHECK(shape[0] == rows && shape[1] == COLUMNS);
  OK(GetDLRInputSizeDim(model, 0, &size, &dim)), CHECK(dim == 2);
  CHECK(size == (rows < 0 ? -1 : rows * COLUMNS));
  OK(GetDLROutputShape(model, 0, shape)), CHECK(shape[0] == rows && shape[1] == 2);
  OK(GetDLROutputSizeDim(model, 0, &size, &dim)), CHECK(dim == 2);
  CHECK(size == (rows < 0 ? -1 : rows * 2));
  OK(GetDLROutputShape(model, 1, shape)), CHECK(shape[0] == rows);
  OK(GetDLROutputSizeDim(model, 1, &size, &dim)), CHECK(dim == 1 && size == rows);
}

/* Blocks of 16 as long as they are full, or at least 4 rows of them are. */
static void check_output(const float *got, int rows) {
  for (int r = 0; r < rows; r++) {
    CHECK(got[2 * r] == (float)(r % 4));
    CHECK(got[2 * r + 1] == (rows - r / 16 * 16 < 4 ? 1 : 16));
  }
}

static void check_rows(DLRModelHandle *model, int rows) {
  const int64_t shape[] = {rows, COLUMNS};
  const void *pointer;
  OK(SetDLRInput(model, "data", shape, x, 2));
  check_size(model, rows);
  OK(RunDLRModel(model));
  check_size(model, rows);
  OK(GetDLROutput(model, 0, out)), check_output(out, rows);
  OK(GetDLROutputPtr(model, 0, &pointer)), check_output(pointer, rows);
  OK(GetDLROutput(model, 1, counts));
  for (int r = 0; r < rows; r++) CHECK(counts[r] == r % 4);
  OK(GetDLRInput(model, "data", copy));
  CHECK(!memcmp(copy, x, (size_t)rows * COLUMNS * sizeof *x));
}

static void check_what_does_not_fit(DLRModelHandle *model) {
  const int64_t wide[] = {2, 4}, negative[] = {-1, 3}, line[] = {3}, huge[] = {INT64_MAX / 2, 3};
  FAILS(SetDLRInput(model, "data", wide, x, 2),
        "ClientError: Mismatch found in input shape at dimension 1. Value read: 4, Expected: 3 or less");
  FAILS(SetDLRInput(model, "data", line, x, 1), "Value read: 1, Expected: 2");
  FAILS(SetDLRInput(model, "data", negative, x, 2), "[-1, 3]");
  FAILS(SetDLRInput(model, "data", huge, x, 2), "Out of memory");
}

static void check_fewer_columns(DLRModelHandle *model) {
  const int64_t narrow[] = {5, 2};
  float ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, NAN};
  OK(SetDLRInput(model, "data", narrow, ones, 2));
  OK(RunDLRModel(model));
  OK(GetDLROutput(model, 0, out));
  for (int r = 0; r < 5; r++) CHECK(out[2 * r] == (r == 4 ? 2 : 1));
}

static void check_tensors(DLRModelHandle *model) {
  int64_t given[] = {7, COLUMNS}, made[] = {7, 2};
  DLTensor tensor = {x, {DEVICE_CPU, 0}, 2, {2, 32, 1}, given, NULL, 0};
  DLTensor result = {out, {DEVICE_CPU, 0}, 2, {2, 32, 1}, made, NULL, 0};
  const void *managed;
  FAILS(SetDLRInputTensorZeroCopy(model, "data", &tensor), "is copied");
  OK(SetDLRInputTensor(model, "data", &tensor));
  OK(RunDLRModel(model));
  OK(GetDLROutputTensor(model, 0, &result)), check_output(out, 7);
  OK(GetDLROutputManagedTensorPtr(model, 0, &managed));
  const DLManagedTensor *kept = managed;
  CHECK(kept->dl_tensor.shape[0] == 7 && kept->dl_tensor.shape[1] == 2);
  check_output(kept->dl_tensor.data, 7);
  kept->deleter((DLManagedTensor *)managed);
}

/* What a run has made is there until the next run, however large the next input is. */
static void check_outputs_stay(DLRModelHandle *model) {
  const int64_t few[] = {6, COLUMNS}, more[] = {MOST - 1, COLUMNS}, most[] = {MOST, COLUMNS};
  const void *before;
  OK(SetDLRInput(model, "data", few, x, 2));
  OK(RunDLRModel(model));
  OK(GetDLROutputPtr(model, 0, &before));
  OK(SetDLRInput(model, "data", more, x, 2));
  OK(SetDLRInput(model, "data", most, x, 2));
  check_output(before, 6);
  FAILS(GetDLROutput(model, 0, out), "did not run since");
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const char *text, *paths[] = {argv[1], argv[1]};
  DLRModelHandle model = NULL, pipeline = NULL;
  fill_rows();
  OK(CreateDLRModel(&model, argv[1], 1, 0));
  OK(GetDLRBackend(&model, &text)), CHECK(!strcmp(text, "treelite"));
  check_size(&model, -1);
  FAILS(RunDLRModel(&model), "The input data is not set");
  FAILS(GetDLRInput(&model, "data", copy), "The input data is not set");
  check_what_does_not_fit(&model);
  check_size(&model, -1);
  for (int rows = 0; rows < 50; rows++) check_rows(&model, rows);
  check_what_does_not_fit(&model);
  check_rows(&model, 1);
  check_fewer_columns(&model);
  check_tensors(&model);
  OK(DeleteDLRModel(&model));
  OK(CreateDLRModel(&model, argv[1], 1, 0));
  check_outputs_stay(&model);
  OK(DeleteDLRModel(&model));
  FAILS(CreateDLRPipeline(&pipeline, 2, paths, 1, 0), "cannot be part of a pipeline");
  return 0;
}
