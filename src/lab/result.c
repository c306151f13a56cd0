#include "lab/trial.h"

void lab_result_free(struct lab_result *result)
{
  buf_free(&result->text);
  buf_free(&result->reason);
}
