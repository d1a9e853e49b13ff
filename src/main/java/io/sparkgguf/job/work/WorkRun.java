package io.sparkgguf.job.work;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.InterruptedIOException;
import org.apache.hadoop.util.ShutdownHookManager;

/** The work folder and the unfinished outputs of a run, cared for when it ends: well, badly, or because it was told to. */
public final class WorkRun implements AutoCloseable {
    /** Spark ends itself at 40 and less of Hadoop's scale; the run must have ended by then. */
    private static final int BEFORE_SPARK_ENDS = 100;

    private final Session session;
    private final WorkFolder work;
    private final Outputs outputs;
    private final Runnable cleanUp;
    private boolean ended;

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
        work.end();
    }

    /** What is done while the folder is there. */
    public interface Step<R> {
        R run() throws IOException;
    }

    /** Makes all that is needed before work begins; the parameters are those of {@link WorkFolder#create}. */
    public void create(WorkFolder.Start start, ObjectMapper json, Progress progress) throws IOException {
        ShutdownHookManager.get().addShutdownHook(cleanUp, BEFORE_SPARK_ENDS);
        make(start, json, progress);
    }

    private synchronized void make(WorkFolder.Start start, ObjectMapper json, Progress progress) throws IOException {
        if (ended) {
            throw new InterruptedIOException("Cannot begin the run: it was interrupted");
        }
        work.create(start, json, progress);
        outputs.begin(work);
    }

    /** Does a step, and tells when it failed because the process was told to end. */
    public <R> R during(Step<R> step) throws IOException {
        try {
            return step.run();
        } catch (IOException | RuntimeException | LinkageError e) { // the last: Spark cannot start while a process ends
            if (session.isInterrupted()) {
                throw new InterruptedIOException("Cannot finish the run: it was interrupted");
            }
            if (e instanceof InvalidInputException) {
                work.refused();
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
