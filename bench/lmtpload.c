/* lmtpload - deliver messages by LMTP on several connections at once and say how fast that went.
 *
 *     lmtpload SOCKET CONNECTIONS MESSAGES BYTES USERS
 *
 * Each connection is a thread that keeps one message in flight: MAIL, RCPT and DATA in one write, as lmtp(8) sends
 * them; recipients are u1@bench.example to uUSERS@bench.example in turn. One line of JSON; exit 1 where a message was
 * not delivered.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static int messages, users;
static char *text;
static size_t text_bytes;
static atomic_int next, failed, refused;
static double *took;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "lmtpload: %s: %s\n", what, detail);
    exit(1);
}

static void send_all(int fd, const char *data, size_t length)
{
    for (ssize_t sent; length; data += sent, length -= sent)
        if ((sent = send(fd, data, length, MSG_NOSIGNAL)) <= 0)
            fail("send", "the server has hung up");
}

struct peer {
    int fd;
    size_t used;
    char buffer[8192];
};

/* The class (2, 3, 4, 5) of the next reply, which may have several lines. */
static int reply(struct peer *peer)
{
    for (;;) {
        char *end = memchr(peer->buffer, '\n', peer->used);
        if (end) {
            size_t line = end + 1 - peer->buffer;
            int last = line > 4 && peer->buffer[3] != '-', class = peer->buffer[0] - '0';
            if (last && class > 3 && !refused++)
                fprintf(stderr, "lmtpload: %.*s", (int)line, peer->buffer);
            memmove(peer->buffer, peer->buffer + line, peer->used -= line);
            if (last)
                return class;
            continue;
        }
        ssize_t got = recv(peer->fd, peer->buffer + peer->used, sizeof peer->buffer - peer->used, 0);
        if (got <= 0)
            fail("recv", "the server has hung up");
        peer->used += got;
    }
}

static void *deliver(void *unused)
{
    struct peer peer = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char commands[256];
    (void)unused;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(peer.fd, (struct sockaddr *)&address, sizeof address))
        fail("connect", path);
    reply(&peer);
    send_all(peer.fd, "LHLO bench.example\r\n", 20);
    reply(&peer);
    for (int number; (number = next++) < messages;) {
        double started = now();
        int length = snprintf(commands, sizeof commands,
                              "MAIL FROM:<s@example.org>\r\nRCPT TO:<u%d@bench.example>\r\nDATA\r\n", number % users + 1);
        send_all(peer.fd, commands, length);
        reply(&peer), reply(&peer);
        if (reply(&peer) != 3)
            fail("DATA", "refused");
        char head[128];
        length = snprintf(head, sizeof head, "Message-ID: <%d.%d.%ld@bench.example>\r\n", number, getpid(), time(NULL));
        send_all(peer.fd, head, length);
        send_all(peer.fd, text, text_bytes);
        failed += reply(&peer) != 2;
        took[number] = now() - started;
    }
    send_all(peer.fd, "QUIT\r\n", 6);
    close(peer.fd);
    return NULL;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void compose(size_t bytes)
{
    static const char head[] = "From: Alice <alice@example.org>\r\nTo: u1@bench.example\r\nSubject: bench\r\n"
                               "Date: Mon, 24 Nov 2025 06:00:00 +0000\r\nMIME-Version: 1.0\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\nX-Spam-Flag: NO\r\n\r\n";
    static const char line[] = "The quick brown fox jumps over the lazy dog 0123456789 abcdefghijkl\r\n";
    text = malloc(bytes + sizeof head + sizeof line + 8);
    text_bytes = sprintf(text, "%s", head);
    while (text_bytes < bytes)
        text_bytes += sprintf(text + text_bytes, "%s", line);
    text_bytes += sprintf(text + text_bytes, ".\r\n");
}

int main(int count, char **words)
{
    if (count != 6)
        fail("usage", "lmtpload SOCKET CONNECTIONS MESSAGES BYTES USERS");
    int connections = atoi(words[2]);
    pthread_t threads[connections];
    path = words[1], messages = atoi(words[3]), users = atoi(words[5]);
    took = calloc(messages, sizeof *took);
    compose(atol(words[4]));
    double started = now();
    for (int i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, deliver, NULL);
    for (int i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = now() - started;
    qsort(took, messages, sizeof *took, compare);
    printf("{\"msg_per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"failed\": %d}\n", messages / seconds,
           took[messages / 2] * 1e3, took[(int)(messages * 0.99)] * 1e3, failed);
    return failed != 0;
}
