/* client FOLDER OUTPUT_FOLDER INPUT.raw ...: a user's program. Its inputs are raw files in the
 * model's order; it writes 0.raw, 1.raw ... */
#include <stdio.h>
#include <stdlib.h>

#include "dlr.h"

static void check(int code) {
  if (!code) return;
  fprintf(stderr, "%s\n", DLRGetLastError());
  exit(1);
}

int main(int argc, char **argv) {
  static char data[1 << 26];
  char path[4096];
  DLRModelHandle model = NULL;
  check(CreateDLRModel(&model, argv[1], 1, 0));
  for (int i = 0; i < argc - 3; i++) {
    const char *name;
    int64_t shape[8], size;
    int dim;
    FILE *file = fopen(argv[3 + i], "rb");
    if (!file || !fread(data, 1, sizeof data, file)) return 2;
    fclose(file);
    check(GetDLRInputName(&model, i, &name));
    check(GetDLRInputShape(&model, i, shape));
    check(GetDLRInputSizeDim(&model, i, &size, &dim));
    check(SetDLRInput(&model, name, shape, data, dim));
  }
  check(RunDLRModel(&model));
  int outputs, dim;
  check(GetDLRNumOutputs(&model, &outputs));
  for (int i = 0; i < outputs; i++) {
    const char *type;
    int64_t size;
    check(GetDLROutputSizeDim(&model, i, &size, &dim));
    check(GetDLROutputType(&model, i, &type));
    check(GetDLROutput(&model, i, data));
    snprintf(path, sizeof path, "%s/%d.raw", argv[2], i);
    FILE *file = fopen(path, "wb");
    while (*type && (*type < '0' || *type > '9')) type++; /* float32: 4 bytes; bool: 1 */
    size_t bytes = *type ? (size_t)atoi(type) / 8 : 1;
    if (!file || fwrite(data, bytes, (size_t)size, file) != (size_t)size) return 2;
    fclose(file);
  }
  check(DeleteDLRModel(&model));
  return 0;
}
