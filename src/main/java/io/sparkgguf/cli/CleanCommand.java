package io.sparkgguf.cli;

import io.sparkgguf.job.CleanJob;
import io.sparkgguf.job.stage.Session;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code spark-gguf clean}. */
@Command(
        name = "clean",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        customSynopsis = "spark-gguf clean --output FILE [--work-dir DIR]",
        description = {
            "Removes what runs that ended early left.",
            "",
            "A run of quantize that was killed, or failed, leaves its work folder, from which the same command goes on. This"
                    + " removes it when nobody will: the work folders of the output, whichever options made them, unfinished"
                    + " files, and open uploads. The output itself stays. Refused while a run is writing it.",
            ""
        },
        footerHeading = "%nExample:%n",
        footer = "  spark-gguf clean --output qwen3.gguf")
final class CleanCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = {"-o", "--output"},
            required = true,
            paramLabel = "FILE",
            description = "The output of the runs, as it was given to them.")
    private String output;

    @Option(
            names = "--work-dir",
            paramLabel = "DIR",
            description = "Their --work-dir, if they had one. Default: OUTPUT.work")
    private String work;

    @Option(
            names = {"-q", "--quiet"},
            description = "Do not tell what is removed.")
    private boolean quiet;

    @Override
    public Integer call() throws Exception {
        try (Session session = new Session("spark-gguf clean " + output)) {
            List<String> removed = new CleanJob(session, output, work).run();
            PrintWriter out = spec.commandLine().getOut();
            if (!quiet) {
                removed.forEach(name -> out.println("removed         " + name));
                if (removed.isEmpty()) {
                    out.println("nothing to remove");
                }
                out.flush();
            }
            return 0;
        }
    }
}
