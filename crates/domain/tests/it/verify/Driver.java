import java.util.Base64;
import java.util.List;
import java.util.Scanner;

final class Driver {
    public static void main(String[] arguments) throws Exception {
        var lines = new Scanner(System.in, "UTF-8");
        while (lines.hasNextLine()) {
            var call = lines.nextLine().split("\t", -1);
            System.out.println(Webhooks.isGenuine(
                    List.of(call[0].split(" ")), call[1], call[2], call[3], Base64.getDecoder().decode(call[4]),
                    Long.parseLong(call[5])));
        }
    }
}
