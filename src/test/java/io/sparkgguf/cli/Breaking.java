package io.sparkgguf.cli;

import io.sparkgguf.job.stage.Progress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** Does something when the stages of a run begin, for example break it; keeps what the run says. */
final class Breaking implements Progress {
    /** What is done at the beginning of a stage. */
    interface Trap {
        void spring(String stage) throws IOException;
    }

    private final List<String> said = new ArrayList<>();
    private final List<String> begun = new ArrayList<>();
    private final Trap trap;

    Breaking(Trap trap) {
        this.trap = trap;
    }

    /** Breaks the run when this many stages have begun. */
    static Breaking after(int stages) {
        int[] count = new int[1];
        return new Breaking(stage -> {
            if (count[0]++ == stages) {
                throw new IOException("broken on purpose");
            }
        });
    }

    /** What the run said. */
    List<String> said() {
        return said;
    }

    /** Names of the stages that began. */
    List<String> begun() {
        return begun;
    }

    @Override
    public void say(String line) {
        said.add(line);
    }

    @Override
    public void begin(String stage, long total, Unit unit) {
        begun.add(stage);
        try {
            trap.spring(stage);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void advance(long work) {}

    @Override
    public void end() {}
}
