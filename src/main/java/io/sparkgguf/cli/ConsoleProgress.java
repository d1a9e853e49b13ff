package io.sparkgguf.cli;

import io.sparkgguf.job.stage.Progress;
import java.io.PrintStream;
import java.time.Duration;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Progress for a person: a bar with speed and time left on a terminal; elsewhere (a log of Airflow, a pipe) a line every
 * few seconds. All of it goes to standard error.
 */
final class ConsoleProgress implements Progress, AutoCloseable {
    private static final long LINE_EVERY_NANOS = Duration.ofSeconds(5).toNanos();
    private static final long MEBIBYTE = 1 << 20;

    private final PrintStream out;
    private final boolean terminal;
    private final boolean quiet;
    private final LongSupplier nanoTime;
    private ProgressBar bar;
    private String stage;
    private Unit unit;
    private long total;
    private long done;
    private long recalled;
    private long begun;
    private long lastLine;

    /** @param nanoTime tells the time */
    ConsoleProgress(PrintStream out, boolean terminal, boolean quiet, LongSupplier nanoTime) {
        this.out = out;
        this.terminal = terminal;
        this.quiet = quiet;
        this.nanoTime = nanoTime;
    }

    /** On standard error; a bar when a person sits at a terminal. */
    static ConsoleProgress standard(boolean quiet) {
        return new ConsoleProgress(System.err, System.console() != null, quiet, System::nanoTime);
    }

    @Override
    public synchronized void say(String line) {
        if (!quiet) {
            out.println(line);
        }
    }

    @Override
    public synchronized void begin(String stage, long total, Unit unit) {
        this.stage = stage;
        this.unit = unit;
        this.total = total;
        done = 0;
        recalled = 0;
        begun = nanoTime.getAsLong();
        lastLine = begun;
        openBar();
    }

    private void openBar() {
        if (terminal && !quiet) {
            bar = new ProgressBarBuilder()
                    .setTaskName("%-9s".formatted(stage))
                    .setInitialMax(total)
                    .startsFrom(recalled, Duration.ZERO)
                    .setUnit(" " + name(), one())
                    .showSpeed()
                    .setStyle(ProgressBarStyle.ASCII)
                    .setUpdateIntervalMillis(250)
                    .setConsumer(new DelegatingProgressBarConsumer(line -> out.print("\r" + line), 100))
                    .build();
        }
    }

    @Override
    public synchronized void recalled(long work) {
        recalled += work;
        done += work;
        if (bar != null) {
            bar.close();
            openBar();
        }
    }

    @Override
    public synchronized void advance(long work) {
        done += work;
        if (bar != null) {
            bar.stepTo(done);
        } else if (!quiet && nanoTime.getAsLong() - lastLine >= LINE_EVERY_NANOS && done > recalled && done < total) {
            lastLine = nanoTime.getAsLong();
            double seconds = (lastLine - begun) / 1e9;
            long made = done - recalled;
            long left = Math.round(seconds / made * (total - done));
            out.printf(
                    "%-9s %3d %%  %,d of %,d %s  %,.0f %s/s  ETA %d:%02d%n",
                    stage,
                    100 * done / total,
                    done / one(),
                    total / one(),
                    name(),
                    (double) made / one() / seconds,
                    name(),
                    left / 60,
                    left % 60);
        }
    }

    /** What is counted, as people read it. */
    private String name() {
        return unit == Unit.BYTES ? "MiB" : "tokens";
    }

    /** How much work is one of these. */
    private long one() {
        return unit == Unit.BYTES ? MEBIBYTE : 1;
    }

    @Override
    public synchronized void end() {
        close();
    }

    @Override
    public synchronized void close() {
        if (bar != null) {
            bar.close();
            bar = null;
            out.print("\r\033[K");
            out.flush();
        }
    }
}
