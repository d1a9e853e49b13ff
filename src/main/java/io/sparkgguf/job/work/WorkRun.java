package io.sparkgguf.job.work;

import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.List;
import org.apache.hadoop.util.ShutdownHookManager;

/** The work folder of a run, gone when the run ends: well, badly, or because it was told to. */
public final class WorkRun implements AutoCloseable {
    /** Spark ends itself at 40 and less of Hadoop's scale; the run must have ended by then. */
    private static final int BEFORE_SPARK_ENDS = 100;

    private final Session session;
    private final WorkFolder work;
    private final Outputs outputs;
    private final Runnable cleanUp;
    private boolean ended;

    /**
     * For a run with one output, which is not written in the folder.
     *
     * @param folder to make
     * @param output the file that the run is to write; whether it can be is found out at once
     */
    public WorkRun(Session session, Storage storage, String folder, String output) {
        this(session, new WorkFolder(storage, folder), new Outputs(storage, List.of(), output));
    }

    public WorkRun(Session session, WorkFolder work, Outputs outputs) {
        this.session = session;
        this.work = work;
        this.outputs = outputs;
        cleanUp = () -> {
            session.interrupt();
            end();
        };
    }

    /** Leaves what another run may have made of these names. Waits while something is made, and lets nothing be made after. */
    private synchronized void end() {
        ended = true;
        outputs.abort(work);
        work.remove();
    }

    /** What is done while the folder is there. */
    public interface Step<R> {
        R run() throws IOException;
    }

    public void create(Progress progress) throws IOException {
        create(progress, null);
    }

    /** @param fingerprint as in {@link WorkFolder#create(Progress, String)} */
    public void create(Progress progress, String fingerprint) throws IOException {
        ShutdownHookManager.get().addShutdownHook(cleanUp, BEFORE_SPARK_ENDS);
        make(progress, fingerprint);
    }

    private synchronized void make(Progress progress, String fingerprint) throws IOException {
        if (ended) {
            throw new InterruptedIOException("Cannot begin the run: it was interrupted");
        }
        work.create(progress, fingerprint);
        outputs.begin(work);
    }

    /** Where tasks write. */
    public String folder() {
        return work.parts();
    }

    /** Does a step, and tells when it failed because the process was told to end. */
    public <R> R during(Step<R> step) throws IOException {
        try {
            return step.run();
        } catch (IOException | RuntimeException | LinkageError e) { // the last: Spark cannot start while a process ends
            if (session.isInterrupted()) {
                throw new InterruptedIOException("Cannot finish the run: it was interrupted");
            }
            throw e;
        }
    }

    @Override
    public void close() {
        end();
        try {
            ShutdownHookManager.get().removeShutdownHook(cleanUp);
        } catch (IllegalStateException e) {
            return; // the process is ending, so the hook does what it is for
        }
    }
}
