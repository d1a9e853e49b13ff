package io.sparkgguf.job.work;

import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * Keeps a second run from writing the same target: a file beside it says who does, and until when that holds. It is renewed
 * while the run goes on, so that one which was killed is soon forgotten; one of this machine whose process is gone is at
 * once.
 *
 * <p>Machines must agree on the time to some seconds. A run that was held up for longer than its lease may find that
 * another has taken the target; so it asks once more before it publishes.
 */
public final class Lease implements AutoCloseable {
    /** How long others wait for a sign of life. */
    static final Duration VALID = Duration.ofSeconds(60);

    private static final Duration RENEWAL = Duration.ofSeconds(15);
    /** Where several can make a file at once, the last one of those that do is waited for. */
    private static final Duration SETTLING = Duration.ofMillis(500);

    private static final int MAX_BYTES = 1 << 16;
    private static final int ATTEMPTS = 5;

    private final Storage storage;
    private final String target;
    private final String file;
    private final Owner owner;
    private final Clock clock;
    private final Instant since;
    private final Thread renewal = new Thread(this::renewNowAndThen, "lease");
    private boolean closed;

    private Lease(Storage storage, String target, Owner owner, Clock clock) {
        this.storage = storage;
        this.target = target;
        this.file = fileOf(target);
        this.owner = owner;
        this.clock = clock;
        since = clock.instant();
        renewal.setDaemon(true);
    }

    /** The file that says who writes {@code target}. */
    public static String fileOf(String target) {
        return target + ".lease";
    }

    /**
     * Claims a target for this run.
     *
     * @throws InvalidInputException when another run has it, with that one's name and when its claim ends
     */
    public static Lease take(Storage storage, String target, Owner owner) throws IOException {
        Lease lease = take(storage, target, owner, Clock.systemUTC());
        lease.renewal.start();
        return lease;
    }

    /** What is done while a target is held. */
    public interface Action<R> {
        R run(Lease lease) throws IOException;
    }

    /** Does something with a target claimed, which is given free then, also when the process is told to end. */
    public static <R> R holding(Storage storage, String target, Action<R> action) throws IOException {
        try (Lease lease = take(storage, target, Owner.here())) {
            Runtime process = Runtime.getRuntime();
            Thread atEnd = new Thread(lease::close, "lease-end");
            process.addShutdownHook(atEnd);
            try {
                return action.run(lease);
            } finally {
                try {
                    process.removeShutdownHook(atEnd);
                } catch (IllegalStateException e) {
                    lease.close(); // the process is ending, and does so anyhow
                }
            }
        }
    }

    /** {@link #take(Storage, String, Owner)} by another clock, and not renewed by itself. */
    static Lease take(Storage storage, String target, Owner owner, Clock clock) throws IOException {
        Lease lease = new Lease(storage, target, owner, clock);
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            if (lease.tryToTake()) {
                return lease;
            }
        }
        throw new IOException("Cannot write " + target + ": its lease " + lease.file + " comes and goes");
    }

    /** False when somebody else did something at the same time, so that it is to be looked at again. */
    private boolean tryToTake() throws IOException {
        storage.requireFileName(file);
        if (storage.createNew(file, claim().json())) {
            return settled();
        }
        Instant until;
        String who;
        try {
            Optional<Claim> found = read();
            if (found.isPresent()) {
                until = found.get().holds(clock.instant()) ? found.get().until() : Instant.MIN;
                who = found.get().describe();
            } else { // just made, or damaged
                until = Instant.ofEpochMilli(storage.status(file).modified()).plus(VALID);
                who = "another run";
            }
        } catch (FileNotFoundException e) {
            return false;
        }
        if (until.isAfter(clock.instant())) {
            throw new InvalidInputException("Cannot write %s: %s is writing it (%s, which ends %s unless it goes on)"
                    .formatted(target, who, file, until.truncatedTo(ChronoUnit.SECONDS)));
        }
        write();
        return settled();
    }

    /** Whether the claim that was just written is still there when others had time to write theirs. */
    private boolean settled() throws IOException {
        if (!Names.scheme(file).isEmpty() && !Names.scheme(file).equals("file")) {
            try {
                Thread.sleep(SETTLING.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return isHeld();
    }

    private Claim claim() {
        Instant now = clock.instant();
        return new Claim(owner, since, now, now.plus(VALID));
    }

    private void write() throws IOException {
        byte[] json = claim().json();
        WholeFile.write(storage, file, out -> out.write(json));
    }

    private Optional<Claim> read() throws IOException {
        return read(storage, file);
    }

    private static Optional<Claim> read(Storage storage, String file) throws IOException {
        try (RangeReader reader = storage.open(file)) {
            byte[] json = new byte[(int) Math.min(MAX_BYTES, reader.length())];
            reader.readFully(0, json, 0, json.length);
            return Claim.parse(json);
        }
    }

    /** Whether the file is this run's. */
    public boolean isHeld() throws IOException {
        try {
            return read().map(Claim::owner).equals(Optional.of(owner));
        } catch (FileNotFoundException e) {
            return false;
        }
    }

    /** Who holds a target, for people; empty when nobody does. */
    public static Optional<String> holder(Storage storage, String target) throws IOException {
        String file = fileOf(target);
        try {
            return storage.exists(file)
                    ? read(storage, file)
                            .filter(claim -> claim.holds(Instant.now()))
                            .map(Claim::describe)
                    : Optional.empty();
        } catch (FileNotFoundException e) {
            return Optional.empty();
        }
    }

    /**
     * Says once more that the run goes on.
     *
     * @throws IOException when another run has taken the target, or the file cannot be read or written
     */
    public synchronized void renew() throws IOException {
        if (closed) {
            throw new IOException("Cannot publish " + target + ": the run was told to end");
        }
        Optional<Claim> found;
        try {
            found = read();
        } catch (FileNotFoundException e) {
            throw new IOException("Cannot publish " + target + ": its lease " + file + " is gone", e);
        }
        if (!found.map(Claim::owner).equals(Optional.of(owner))) {
            throw new IOException("Cannot publish %s: %s took it meanwhile (%s)"
                    .formatted(target, found.map(Claim::describe).orElse("somebody else"), file));
        }
        write();
    }

    private void renewNowAndThen() {
        while (true) {
            synchronized (this) {
                try {
                    wait(RENEWAL.toMillis());
                } catch (InterruptedException e) {
                    return;
                }
                if (closed) {
                    return;
                }
            }
            try {
                renew();
            } catch (
                    IOException
                            e) { // perhaps the next time; whether it still holds is asked before anything is published
                System.getLogger(Lease.class.getName()).log(System.Logger.Level.WARNING, e.getMessage());
                if (isLost()) {
                    return;
                }
            }
        }
    }

    private boolean isLost() {
        try {
            return !isHeld();
        } catch (IOException e) {
            return false; // not known
        }
    }

    /** Gives the target free. Failing to do so must not hide why the run ended, so it is logged. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        notifyAll();
        try {
            if (isHeld()) {
                storage.delete(file);
            }
        } catch (IOException e) {
            System.getLogger(Lease.class.getName())
                    .log(System.Logger.Level.WARNING, "Cannot remove " + file + ": " + e.getMessage());
        }
    }
}
