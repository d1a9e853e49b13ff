package io.sparkgguf.job;

import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.Storage.FileStatus;
import java.nio.charset.StandardCharsets;
import java.util.StringJoiner;

/** Tells whether two runs would make the same file in the same way, so that one can go on where the other ended. */
final class QuantizeFingerprint {
    private QuantizeFingerprint() {}

    /** A line that differs when the source, its times, the options, the tokens or the code's version do. */
    static String of(QuantizeSettings settings, Prepared prepared) {
        StringJoiner all = new StringJoiner("\n");
        all.add(Version.TOOL + " " + Version.number());
        all.add(settings.model()).add(settings.output()).add(settings.types().toString());
        all.add(settings.imatrix() + " " + settings.importanceFilter() + " " + settings.unitMemory() + " "
                + settings.allowNonFinite());
        all.add(settings.calibration().toString());
        all.add(Digest.hex(prepared.calibration().tokens().digest()));
        for (FileStatus file : prepared.checkpoint().files()) {
            all.add(file.toString());
        }
        for (OutputFile file : prepared.plan().files()) {
            all.add(file.length() + " " + Digest.hex(Digest.of(file.header(), 0, file.header().length)));
        }
        byte[] text = all.toString().getBytes(StandardCharsets.UTF_8);
        return Digest.hex(Digest.of(text, 0, text.length)) + "-" + text.length;
    }
}
