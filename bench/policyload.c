/* policyload - closed-loop load for a Postfix policy delegation server.
 *
 * N connections each send a request, wait for the reply and go on until COUNT requests are answered; then one
 * line of JSON tells requests a second, latency percentiles and what the replies were.
 *
 * usage: policyload ADDRESS CONNECTIONS COUNT [SENDERS [STAGE [stranger]]]
 *   ADDRESS  /path/of.sock or 127.0.0.1:port
 *   SENDERS  distinct users, senders and clients (1000)
 *   STAGE    protocol_state (RCPT)
 *   stranger nobody has logged in
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BYTES = 4096, MAX_EVENTS = 256, STALLED_MS = 20000 };

struct connection {
    int fd;
    double sent_at;
    char reply[MAX_BYTES];
    size_t length;
};

static struct {
    long senders, sent, done, total;
    long dunno, prepend, defer, reject, other, dead;
    const char *stage;
    int stranger;
    float *latency_us;
} run = {.senders = 1000, .stage = "RCPT"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0)
        die(path);
    return fd;
}

static int dial_inet(const char *host_and_port)
{
    char host[64];
    const char *colon = strrchr(host_and_port, ':');
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (colon == NULL)
        die(host_and_port);
    snprintf(host, sizeof host, "%.*s", (int)(colon - host_and_port), host_and_port);
    address.sin_port = htons(atoi(colon + 1));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die(host);
    if (fd < 0 || connect(fd, (void *)&address, sizeof address) < 0)
        die(host_and_port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* What Postfix 3.7 sends, about 850 bytes. Each message has an instance of its own, in all runs: a server that
 * remembers its answers must not be able to repeat one. */
static int compose(char *to, size_t size)
{
    long k = run.sent, user = k % run.senders;
    struct timespec t;
    char login[64] = "";

    clock_gettime(CLOCK_REALTIME, &t);
    if (!run.stranger)
        snprintf(login, sizeof login, "user%ld@sender%ld.example", user, user % 50);
    return snprintf(
        to, size,
        "request=smtpd_access_policy\nprotocol_state=%s\nprotocol_name=ESMTP\nhelo_name=client%ld.example.net\n"
        "queue_id=\nsender=user%ld@sender%ld.example\nrecipient=rcpt%ld@dest%ld.example\nrecipient_count=0\n"
        "client_address=10.%ld.%ld.%ld\nclient_name=client%ld.example.net\n"
        "reverse_client_name=client%ld.example.net\ninstance=%lx.%lx.%lx.%lx\nsasl_method=%s\n"
        "sasl_username=%s\nsasl_sender=\nsize=%ld\nccert_subject=\nccert_issuer=\n"
        "ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=TLSv1.3\n"
        "encryption_cipher=TLS_AES_256_GCM_SHA384\nencryption_keysize=256\netrn_domain=\nstress=\n"
        "policy_context=\nserver_address=127.0.0.1\nserver_port=25\ncompatibility_level=3.6\n"
        "mail_version=3.7.11\nclient_port=%ld\n\n",
        run.stage, user, user, user % 50, k % 997, k % 31, (user >> 16) & 255, (user >> 8) & 255, user & 255, user,
        user, (long)getpid(), (long)t.tv_sec, t.tv_nsec / 1000, k, run.stranger ? "" : "PLAIN", login, 2000 + k % 5000, 1024 + k % 60000);
}

static int ask(struct connection *c)
{
    char request[MAX_BYTES];
    int length = compose(request, sizeof request);

    c->length = 0;
    c->sent_at = now();
    run.sent++;
    return write(c->fd, request, length) == length ? 0 : -1;
}

static void tally(const char *reply)
{
    static const struct { const char *prefix; long *count; } rows[] = {
        {"action=dunno", &run.dunno},   {"action=ok", &run.dunno},  {"action=prepend", &run.prepend},
        {"action=defer", &run.defer},   {"action=4", &run.defer},   {"action=reject", &run.reject},
        {"action=5", &run.reject},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strncasecmp(reply, rows[i].prefix, strlen(rows[i].prefix)) == 0) {
            ++*rows[i].count;
            return;
        }
    }
    run.other++;
}

static void hear(struct connection *c)
{
    ssize_t got = read(c->fd, c->reply + c->length, sizeof c->reply - 1 - c->length);

    if (got <= 0) {
        run.dead++;
        close(c->fd);
        return;
    }
    c->length += got;
    c->reply[c->length] = 0;
    if (c->length < 2 || strcmp(c->reply + c->length - 2, "\n\n") != 0)
        return;
    run.latency_us[run.done++] = (now() - c->sent_at) * 1e6;
    tally(c->reply);
    if (run.sent < run.total && ask(c) < 0) {
        run.dead++;
        close(c->fd);
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(int connections, double took_s)
{
    float *l = run.latency_us;
    long n = run.done;

    qsort(l, n, sizeof *l, by_size);
    printf("{\"req_per_s\": %.0f, \"done\": %ld, \"of\": %ld, \"conns\": %d, \"p50_us\": %.0f, \"p99_us\": %.0f, "
           "\"max_us\": %.0f, \"dunno\": %ld, \"prepend\": %ld, \"defer\": %ld, \"reject\": %ld, \"other\": %ld, "
           "\"dead\": %ld}\n",
           n / took_s, n, run.total, connections, n ? l[n / 2] : 0, n ? l[(long)(n * 0.99)] : 0, n ? l[n - 1] : 0,
           run.dunno, run.prepend, run.defer, run.reject, run.other, run.dead);
}

int main(int argc, char **argv)
{
    struct epoll_event events[MAX_EVENTS];
    int connections, poll = epoll_create1(0);

    if (argc < 4 || (connections = atoi(argv[2])) < 1 || (run.total = atol(argv[3])) < 1) {
        fprintf(stderr, "usage: policyload ADDRESS CONNECTIONS COUNT [SENDERS [STAGE [stranger]]]\n");
        return 2;
    }
    if (argc > 4 && (run.senders = atol(argv[4])) < 1)
        run.senders = 1;
    if (argc > 5)
        run.stage = argv[5];
    run.stranger = argc > 6;
    struct connection *all = calloc(connections, sizeof *all);
    run.latency_us = calloc(run.total + connections, sizeof *run.latency_us);
    if (all == NULL || run.latency_us == NULL || poll < 0)
        die("start");
    for (int i = 0; i < connections; i++) {
        all[i].fd = strchr(argv[1], '/') ? dial_unix(argv[1]) : dial_inet(argv[1]);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    double began = now();
    for (int i = 0; i < connections && run.sent < run.total; i++)
        if (ask(&all[i]) < 0)
            die("write");
    while (run.done < run.total && run.dead < connections) {
        int ready = epoll_wait(poll, events, MAX_EVENTS, STALLED_MS);
        if (ready <= 0) {
            fprintf(stderr, "stalled after %ld replies\n", run.done);
            break;
        }
        for (int i = 0; i < ready; i++)
            hear(events[i].data.ptr);
    }
    report(connections, now() - began);
    return run.done == run.total ? 0 : 1;
}
