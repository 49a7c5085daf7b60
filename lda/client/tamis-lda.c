/* tamis-lda - what pipe(8) and local(8) run for each message: hand it to the resident engine, wait for its answer.
 *
 *     tamis-lda -f ${sender} -a ${original_recipient} -d ${recipient} --queue-id=${queue_id}
 *
 * The same as lda/client/pipe.py, which starts an interpreter for it, and bound by the same tests. Whatever is not
 * the daily case is left to that one, tamis-lda-python beside this program: mistakes in the options, an envelope
 * that must be found in the message or the environment, no engine, an engine that has not the user's rights.
 *
 * There are three ends: 0 after the durable answer; 75; and a 5.x.x text with its exit status. To pipe(8) every
 * other exit status is a bounce. From the first byte to the engine on, a failure may hide a delivery: it is 75, never
 * a reason to deliver here as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ENGINE "/run/tamis/lda.sock"
#define DEADLINE_S 300.0
#define TEMPFAIL 75
#define MAX_REPLY_BYTES 4096
#define MAX_ENVELOPE_BYTES (16 << 10)
#define IN_MEMORY_BYTES (1 << 20) /* a longer message lies in a file without a name */

static char **arguments;

/* The end: one line for pipe(8), and the exit status. Called by signal handlers too. */
static void leave(int status, const char *text)
{
    char line[MAX_REPLY_BYTES + 1];
    size_t length = 0;
    for (; text[length] && length < MAX_REPLY_BYTES; length++)
        line[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
    if (length) {
        line[length++] = '\n';
        if (write(1, line, length) < 0)
            _exit(status); /* nobody reads; the status says enough */
    }
    _exit(status);
}

static void defer(const char *text) { leave(TEMPFAIL, text); }

static void interrupted(int number)
{
    static char text[] = "4.3.0 The delivery was interrupted by signal ##";
    if (number == SIGALRM)
        defer("4.3.0 The delivery took too long, try again later");
    text[sizeof text - 3] = number > 9 ? '0' + number / 10 % 10 : ' ';
    text[sizeof text - 2] = '0' + number % 10;
    defer(text);
}

/* Let the Python client do it, with the same arguments; the message is on standard input. Never returns. */
static void by_python(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "tamis-lda-python");
    char *name = length > 0 ? memrchr(path, '/', length) : NULL;
    if (name) {
        strcpy(name + 1, "tamis-lda-python");
        execv(path, arguments);
    }
    defer("4.3.0 tamis-lda cannot start tamis-lda-python beside it");
}

/* --- options: dovecot-lda's, and long names ------------------------------------------------------------------ */

enum { USER, SENDER, RECIPIENT, ORIGINAL, MAILBOX, QUEUE_ID, PLACES };
static const char *const names[PLACES] = {"user", "sender", "recipient", "original_recipient", "mailbox", "queue_id"};
static const char *values[PLACES], *engine_path, *deadline, *config;

static const struct option {
    char letter;
    const char *word;
    const char **value;
} options[] = {
    {'d', "user", &values[USER]},           {'f', "sender", &values[SENDER]},
    {'r', "recipient", &values[RECIPIENT]}, {'a', "original_recipient", &values[ORIGINAL]},
    {'m', "mailbox", &values[MAILBOX]},     {0, "queue_id", &values[QUEUE_ID]},
    {0, "engine", &engine_path},            {0, "deadline", &deadline},
    {'c', "config", &config}, /* for the one beside us */
};

/* Whether *word* is --name or --name=value of *option*, - and _ being one; *value: behind the equals sign. */
static int names_it(const char *word, const char *name, const char **value)
{
    for (word += 2; *name && (*word == *name || (*word == '-' && *name == '_')); word++, name++)
        ;
    *value = *word == '=' ? word + 1 : NULL;
    return !*name && (!*word || *word == '=');
}

static const struct option *known(const char *word, const char **value)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (word[0] == '-' && word[1] == '-' ? names_it(word, options[i].word, value)
                                             : word[0] == '-' && word[1] && word[1] == options[i].letter) {
            if (word[1] != '-')
                *value = word[2] ? word + 2 : NULL;
            return &options[i];
        }
    return NULL;
}

/* Fills the tables above. 0: something to be looked at more closely. */
static int parse(int count, char **word)
{
    for (int i = 1; i < count; i++) {
        const char *value;
        if (word[i][0] == '-' && word[i][1] && !word[i][1 + strspn(word[i] + 1, "ek")])
            continue;
        const struct option *option = known(word[i], &value);
        if (!option || *option->value)
            return 0;
        if (!value && (++i == count || (word[i][0] == '-' && (word[i][1] == '-' || !word[i][1] || !word[i][2]))))
            return 0; /* pipe(8) before 3.12 drops an argument that expands to nothing: this is the next option */
        *option->value = value ? value : word[i];
    }
    return values[USER] && *values[USER] && values[SENDER];
}

/* --- the message ---------------------------------------------------------------------------------------------- */

static char message[IN_MEMORY_BYTES]; /* or its beginning */
static size_t size;

static void write_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t written = write(fd, data, length);
        if (written <= 0)
            defer("4.3.0 The message could not be kept while it is delivered");
        data += written, length -= written;
    }
}

/* The part in memory and the rest of standard input, in a file without a name: its descriptor. */
static int spool(void)
{
    char path[] = "/tmp/tamis-lda-XXXXXX", piece[65536];
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0 || unlink(path))
        defer("4.3.0 There is no room in /tmp for the message");
    write_all(file, message, size);
    for (ssize_t got; (got = read(0, piece, sizeof piece)); size += got) {
        if (got < 0)
            defer("4.3.0 The message could not be read");
        write_all(file, piece, got);
    }
    return file;
}

/* Read all of it; the descriptor of its file, or -1. */
static int read_message(void)
{
    pid_t parent = getppid();
    int file = -1;
    while (file < 0) {
        ssize_t got = read(0, message + size, IN_MEMORY_BYTES - size);
        if (got < 0)
            defer("4.3.0 The message could not be read");
        if (got == 0)
            break;
        size += got;
        if (size == IN_MEMORY_BYTES)
            file = spool();
    }
    if (getppid() != parent) /* pipe(8) has no mark for the end: what a killed one wrote looks whole */
        defer("4.3.0 The sending process went away, the message may be cut");
    return file;
}

/* The engine has not the user's rights and has done nothing: deliver here what we have read. */
static void away(int file)
{
    if (file < 0) {
        file = memfd_create("message", 0);
        if (file < 0)
            defer("4.3.0 The message could not be kept while it is delivered");
        write_all(file, message, size);
    }
    if (lseek(file, 0, SEEK_SET) < 0 || dup2(file, 0) < 0)
        defer("4.3.0 The message could not be read again");
    by_python();
}

/* --- the engine: lda/handoff/protocol.py ------------------------------------------------------------------------ */

static int connected(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = engine_path ? engine_path : ENGINE;
    int engine = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (engine < 0 || strlen(path) >= sizeof address.sun_path)
        return -1;
    strcpy(address.sun_path, path);
    return connect(engine, (struct sockaddr *)&address, sizeof address) ? -1 : engine;
}

/* An address without angle brackets; to pipe(8) the null sender is MAILER-DAEMON unless null_sender= says otherwise. */
static int bare(int place, const char **value)
{
    int length = strlen(*value = values[place]);
    if (place <= ORIGINAL && length > 1 && **value == '<' && (*value)[length - 1] == '>')
        ++*value, length -= 2;
    if (place == SENDER && length == 13 && !strncasecmp(*value, "MAILER-DAEMON", 13))
        length = 0;
    return length;
}

static size_t envelope(char *to)
{
    size_t length = 0;
    for (int place = 0; place < PLACES; place++)
        if (values[place]) {
            const char *value;
            int width = bare(place, &value);
            if (length + strlen(names[place]) + width + 2 > MAX_ENVELOPE_BYTES)
                defer("4.3.0 tamis-lda got an envelope that is too long");
            length += sprintf(to + length, "%s=%.*s", names[place], width, value) + 1;
        }
    return length;
}

/* 0 where the engine has gone. It may have answered without reading all, so that is no verdict yet. */
static int send_all(int engine, const char *data, size_t length, int flags)
{
    while (length) {
        ssize_t sent = send(engine, data, length, MSG_NOSIGNAL | flags);
        if (sent < 0)
            return 0;
        data += sent, length -= sent;
    }
    return 1;
}

/* The beginning of a request, and with it the descriptor *file*, if that is one. */
static int send_head(int engine, char *line, size_t length, int file)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof file)];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {line, length};
    struct msghdr head = {.msg_iov = &piece, .msg_iovlen = 1};
    if (file >= 0) {
        memcpy(CMSG_DATA(&control.header), &file, sizeof file);
        head.msg_control = &control;
        head.msg_controllen = sizeof control.room;
    }
    ssize_t sent = sendmsg(engine, &head, MSG_NOSIGNAL | MSG_MORE);
    return sent >= 0 && send_all(engine, line + sent, length - sent, MSG_MORE);
}

static void send_request(int engine, int file)
{
    static char words[MAX_ENVELOPE_BYTES], line[96];
    size_t seen = size < IN_MEMORY_BYTES ? size : IN_MEMORY_BYTES;
    const char *end = seen > 5 && !memcmp(message, "From ", 5) ? memchr(message, '\n', seen) : NULL;
    size_t start = end ? end + 1 - message : 0, length = envelope(words);
    int width = sprintf(line, "tamis-lda/1 %zu %zu", length, size - start);
    width += file < 0 ? sprintf(line + width, "\n") : sprintf(line + width, " fd:%zu\n", start);
    if (!send_head(engine, line, width, file) || !send_all(engine, words, length, file < 0 && size > start ? MSG_MORE : 0) ||
        (file < 0 && !send_all(engine, message + start, size - start, 0)))
        shutdown(engine, SHUT_WR); /* an engine that is still there shall not wait for the rest */
}

/* "5.7.1 text": three numbers of at most three digits, a blank, printable text. */
static int is_status(const char *text, char class)
{
    int digits = 0, dots = 0;
    if (text[0] != class || text[1] != '.')
        return 0;
    for (; *text && *text != ' '; text++)
        if (*text == '.' && digits)
            digits = 0, dots++;
        else if (*text < '0' || *text > '9' || ++digits > 3)
            return 0;
    if (dots != 2 || !digits || *text++ != ' ' || !*text)
        return 0;
    while (*text >= ' ' && *text <= '~')
        text++;
    return !*text;
}

/* An answer that pipe(8) reads as it is meant: 0, 75 with 4.x.x, or a bounce with 5.x.x. Never returns. */
static void conclude(const char *status, const char *text, int file)
{
    int number = atoi(status);
    if (!strcmp(status, "away"))
        away(file);
    if (!strcmp(status, "0"))
        leave(0, "");
    if (!strcmp(status, "75") && is_status(text, '4'))
        defer(text);
    if (strlen(status) == 2 && number >= 64 && number <= 78 && number != 71 && number != TEMPFAIL && is_status(text, '5'))
        leave(number, text);
    defer("4.3.0 The delivery engine answered nonsense, try again later");
}

static void hear(int engine, int file)
{
    static char reply[MAX_REPLY_BYTES + 1];
    size_t length = 0;
    for (ssize_t got; length < MAX_REPLY_BYTES && !(length && reply[length - 1] == '\n'); length += got)
        if ((got = recv(engine, reply + length, MAX_REPLY_BYTES - length, 0)) <= 0)
            break;
    if (!length || reply[length - 1] != '\n' || strlen(reply) != length)
        defer("4.3.0 The delivery engine went away, try again later");
    reply[length - 1] = '\0';
    char *blank = strchr(reply, ' ');
    if (blank)
        *blank = '\0';
    conclude(reply, blank ? blank + 1 : "", file);
}

int main(int count, char **words)
{
    static const int caught[] = {SIGALRM, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct itimerval timer = {0};
    char *end = "";
    arguments = words;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        signal(caught[i], interrupted);
    umask(077);
    for (int fd = 1; fd <= 2; fd++) /* or the engine's connection might become standard output */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_WRONLY) < 0)
            _exit(TEMPFAIL);
    if (fcntl(0, F_GETFD) < 0)
        defer("4.3.0 tamis-lda got no message");
    int whole = parse(count, words);
    double seconds = deadline ? strtod(deadline, &end) : DEADLINE_S;
    if (!whole || *end || (deadline && end == deadline) || !(seconds < 1e9))
        by_python();
    seconds = seconds < 0.1 ? 0.1 : seconds;
    timer.it_value.tv_sec = seconds;
    timer.it_value.tv_usec = (seconds - (time_t)seconds) * 1e6;
    setitimer(ITIMER_REAL, &timer, NULL);
    int engine = connected();
    if (engine < 0)
        by_python();
    int file = read_message();
    send_request(engine, file);
    hear(engine, file);
}
