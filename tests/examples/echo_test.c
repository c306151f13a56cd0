/* The examples whose every answer can be judged by itself: echo in both models, unique ids. */
#include <stdio.h>

#include "base/map.h"
#include "cmocka_all.h"
#include "load.h"

/* ---- echo ---- */

/* Values of every kind, as the codec writes them. */
static const char *const values[] = {"\"Please echo 70\"", "[]",   "{}", "null", "[1,[2.5,{\"a\":[]}],\"\\u0001\"]",
                                     "9007199254740993",   "false"};

static bool invoke_echo(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  (void)self;
  op->kind = (int)load_below(l, sizeof values / sizeof values[0]);
  buf_printf(body, "\"type\":\"echo\",\"echo\":%s", values[op->kind]);
  return !op->final;
}

static void complete_echo(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  (void)l;
  (void)next;
  CHECK(load_is(reply, "echo_ok"), "no answer");
  struct slice echo = load_member(reply->body, "echo");
  CHECK(slice_equal(echo, slice_of(values[op->kind], strlen(values[op->kind]))), "%s came back as %.*s", values[op->kind], (int)echo.len,
        echo.ptr);
  ++*(unsigned *)self;
}

static void echo(const char *example)
{
  unsigned echoed = 0;
  struct workload workload = {&echoed, invoke_echo, complete_echo, NULL};
  struct load_config config = {.example = example, .workload = "echo", .nodes = 1, .concurrency = 2, .rate = 10, .seconds = 10, .seed = 1};
  struct load_result result = load_run(&config, &workload);
  CHECK(echoed > 50 && echoed == result.ops, "%u of %llu", echoed, (unsigned long long)result.ops);
  printf("%-22s %u values came back the same\n", example, echoed);
}

static void echo_returns_what_it_got(void **state)
{
  (void)state;
  echo("echo.lua");
  echo("echo_step.lua");
}

/* ---- unique ids ---- */

static bool invoke_generate(void *self, struct load *l, struct load_op *op, struct buf *body)
{
  (void)self;
  (void)l;
  buf_append_str(body, "\"type\":\"generate\"");
  return !op->final;
}

static void complete_generate(void *self, struct load *l, struct load_op *op, const struct reply *reply, struct buf *next)
{
  struct dict *ids = self;
  (void)l;
  (void)op;
  (void)next;
  CHECK(load_is(reply, "generate_ok"), "no answer: it is to be totally available");
  struct slice id = load_member(reply->body, "id");
  CHECK(id.len > 0 && dict_put(ids, id, ids) == NULL, "%.*s was given before", (int)id.len, id.ptr);
}

static void unique_ids_are_unique(void **state)
{
  (void)state;
  for (unsigned seed = 1; seed <= 3; seed++) {
    struct dict ids;
    dict_init(&ids);
    struct workload workload = {&ids, invoke_generate, complete_generate, NULL};
    struct load_config config = {.example = "unique_ids.lua",
                                 .workload = "unique-ids",
                                 .nodes = 3,
                                 .concurrency = 1,
                                 .rate = 1000,
                                 .seconds = 20,
                                 .latency = {SIM_EXPONENTIAL, 10 * SIM_MS},
                                 .partitions = true,
                                 .seed = seed};
    struct load_result result = load_run(&config, &workload);
    CHECK(ids.len == result.ops && ids.len > 15000, "%zu ids", ids.len);
    CHECK(result.messages == 0, "nodes asked each other");
    printf("%-22s seed %u: %zu distinct ids\n", config.example, seed, ids.len);
    dict_free(&ids);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(echo_returns_what_it_got),
      cmocka_unit_test(unique_ids_are_unique),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
