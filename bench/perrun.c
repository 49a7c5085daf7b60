/* perrun - run a command once a message, several at once, and say how fast that went.
 *
 *     perrun FILE CONCURRENCY RUNS USERS COMMAND [ARGUMENT]...
 *
 * Standard input of each run is FILE; "%u" in an argument becomes 1 to USERS in turn. One line of JSON; exit 1 where a
 * run failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static pid_t start(const char *file, char **words, int user)
{
    static char expanded[64][256];
    char *arguments[65];
    int count = 0;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    for (; words[count] && count < 64; count++) {
        char *mark = strstr(words[count], "%u");
        if (mark)
            snprintf(expanded[count], sizeof *expanded, "%.*s%d%s", (int)(mark - words[count]), words[count], user, mark + 2);
        arguments[count] = mark ? expanded[count] : words[count];
    }
    arguments[count] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, file, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, arguments[0], &actions, NULL, arguments, environ)) {
        perror(arguments[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

int main(int count, char **words)
{
    if (count < 6) {
        fprintf(stderr, "usage: perrun FILE CONCURRENCY RUNS USERS COMMAND [ARGUMENT]...\n");
        return 1;
    }
    int concurrency = atoi(words[2]), runs = atoi(words[3]), users = atoi(words[4]), started = 0, done = 0, failed = 0;
    pid_t *pids = calloc(concurrency, sizeof *pids);
    double *since = calloc(concurrency, sizeof *since), *took = calloc(runs, sizeof *took), began = now();
    struct rusage usage;
    while (done < runs) {
        int status;
        for (int slot = 0; slot < concurrency && started < runs; slot++)
            if (!pids[slot]) {
                since[slot] = now();
                pids[slot] = start(words[1], words + 5, started++ % users + 1);
            }
        pid_t ended = wait(&status);
        for (int slot = 0; slot < concurrency; slot++)
            if (pids[slot] == ended) {
                pids[slot] = 0;
                took[done++] = now() - since[slot];
                failed += status != 0;
            }
    }
    double seconds = now() - began;
    getrusage(RUSAGE_CHILDREN, &usage);
    double cpu = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    qsort(took, runs, sizeof *took, compare);
    printf("{\"msg_per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"cpu_ms\": %.3f, \"failed\": %d}\n", runs / seconds,
           took[runs / 2] * 1e3, took[(int)(runs * 0.99)] * 1e3, cpu / runs * 1e3, failed);
    return failed != 0;
}
